// A text that is a number from its first character to its last: no space, no plus, nothing behind.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace holdfast {

// Nothing: it is none, or one that Number cannot hold.
template <typename Number>
std::optional<Number> whole_number(std::string_view text, int base = 10) {
  Number value{};
  const char* const last = text.data() + text.size();
  const auto [end, failed] = std::from_chars(text.data(), last, value, base);
  if (failed != std::errc{} || end != last) return std::nullopt;
  return value;
}

}  // namespace holdfast
