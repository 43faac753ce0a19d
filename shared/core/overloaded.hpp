// std::visit with one lambda for each alternative.
#pragma once

namespace holdfast {

template <class... Fs>
struct overloaded : Fs... {
  using Fs::operator()...;
};
template <class... Fs>
overloaded(Fs...) -> overloaded<Fs...>;

}  // namespace holdfast
