// When to wake which connection. A timer is cancelled by giving its connection a new ticket; the
// stale entry is dropped when it comes up.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <vector>

#include "tests/support/load_client.hpp"

namespace holdfast::testing {

struct Timer {
  TimePoint at;
  std::uint32_t index = 0;
  std::uint32_t ticket = 0;
  bool operator>(const Timer& other) const { return at > other.at; }
};

class TimerQueue {
 public:
  void push(const Timer& timer) { heap_.push(timer); }
  bool empty() const { return heap_.empty(); }
  TimePoint next() const { return heap_.top().at; }
  Timer pop() {
    const Timer timer = heap_.top();
    heap_.pop();
    return timer;
  }

 private:
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> heap_;
};

}  // namespace holdfast::testing
