#include "supervisor/core/respawn_policy.hpp"

#include <algorithm>

namespace holdfast::supervisor {

Millis RespawnHistory::died(std::optional<Clock::duration> ready_for) {
  if (!ready_for) ++deaths_before_ready;
  if (ready_for && *ready_for >= kSettled) quick_deaths = 0;
  const unsigned before = quick_deaths++;
  if (before == 0) return Millis{0};
  // 2^9 * 0.1s is past the longest delay; a larger shift would overflow one day.
  const auto delay = kFirstRespawnDelay * (1U << std::min(before - 1, 9U));
  return std::min(delay, kLongestRespawnDelay);
}

}  // namespace holdfast::supervisor
