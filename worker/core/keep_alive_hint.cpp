#include "worker/core/keep_alive_hint.hpp"

#include <stdexcept>

namespace holdfast::worker {
namespace {

constexpr Millis kMargin{5'000};

}  // namespace

std::string render_keep_alive(std::optional<Millis> hint, Millis timeout) {
  if (hint > Millis{0} && *hint >= timeout)
    throw std::invalid_argument("keep_alive_hint must be below keep_alive_timeout");
  const auto seconds =
      std::chrono::floor<std::chrono::seconds>(hint.value_or(timeout - kMargin)).count();
  if (seconds < 1) return {};
  return "Connection: keep-alive\r\nKeep-Alive: timeout=" + std::to_string(seconds) + "\r\n";
}

}  // namespace holdfast::worker
