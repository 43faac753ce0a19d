// How long a connection may be waited for while a request's body comes: each `window` of waiting
// must bring at least `least` bytes. So a body that trickles ends, and one that is read slowly by
// its handler does not: only the time spent waiting for the client counts. Reads no clock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "shared/core/time.hpp"

namespace holdfast::worker {

class BodyPace {
 public:
  void begin(Millis window, std::uint64_t least) {
    window_ = left_ = window;
    least_ = least;
    bytes_ = 0;
  }

  // From `now` on the client is waited for: until when.
  TimePoint wait(TimePoint now) {
    waiting_since_ = now;
    return now + left_;
  }

  // `bytes` came; the wait that began last is over, or goes on with wait().
  void arrived(TimePoint now, std::uint64_t bytes) {
    bytes_ += bytes;
    if (bytes_ >= least_) {
      bytes_ = 0;
      left_ = window_;
    } else {
      left_ -= std::min(left_, std::chrono::duration_cast<Clock::duration>(now - waiting_since_));
    }
    waiting_since_ = now;
  }

 private:
  Clock::duration window_{};
  Clock::duration left_{};
  std::uint64_t least_ = 0;
  std::uint64_t bytes_ = 0;
  TimePoint waiting_since_{};
};

}  // namespace holdfast::worker
