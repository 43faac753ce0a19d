// Wall time out of monotonic instants, without reading a clock for each: a request reads the
// monotonic clock twice and nothing else. A clock that is set is followed within kFollow. One
// thread.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "shared/core/json_line.hpp"
#include "shared/core/time.hpp"
#include "worker/io/loop_clock.hpp"

namespace holdfast::worker {

class WallClock {
 public:
  WallClock() = default;  // of instants of the monotonic clock itself
  explicit WallClock(const LoopClock& clock) : clock_(&clock) {}

  static constexpr Millis kFollow{100};

  WallTime at(TimePoint now);
  std::string_view http_date(TimePoint now);  // valid until the next call

 private:
  const LoopClock* clock_ = nullptr;
  TimePoint read_at_{};
  std::chrono::microseconds offset_{};  // from the monotonic clock to the wall's
  std::chrono::sys_seconds date_second_{};
  std::string date_;
};

}  // namespace holdfast::worker
