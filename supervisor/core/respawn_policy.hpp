// When a worker that died is replaced, and when to stop trying. A value owned by the fleet, one for
// each serving generation; pure.
#pragma once

#include <optional>

#include "shared/core/time.hpp"

namespace holdfast::supervisor {

inline constexpr Millis kFirstRespawnDelay{100};
inline constexpr Millis kLongestRespawnDelay{30'000};
// A worker that was ready for this long is no crash loop: its successor starts at once again.
inline constexpr Millis kSettled{10'000};

struct RespawnHistory {
  unsigned quick_deaths = 0;         // in a row, of workers that had not settled
  unsigned deaths_before_ready = 0;  // in a row; any worker that gets ready resets it

  // Counts a death and says how long to wait before the replacement: nothing for the first one,
  // then 0.1s doubling to 30s. `ready_for` is nothing when the worker was never ready.
  Millis died(std::optional<Clock::duration> ready_for);
  void became_ready() { deaths_before_ready = 0; }
  bool hopeless(unsigned give_up) const { return deaths_before_ready >= give_up; }
  bool operator==(const RespawnHistory&) const = default;
};

}  // namespace holdfast::supervisor
