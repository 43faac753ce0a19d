#include "worker/io/deadlines.hpp"

#include <utility>

namespace holdfast::worker {

Deadlines::Deadlines(boost::asio::io_context& io, LoopClock& clock, std::function<void(Timer&)> due,
                     std::function<void()> after)
    : clock_(clock),
      due_(std::move(due)),
      after_(std::move(after)),
      wheel_(clock.is_manual() ? TimerWheel::kExact : TimerWheel::kCoarse),
      loop_timer_(io, clock, [this] { turn(); }) {}

void Deadlines::schedule(Timer& timer, TimePoint at) {
  wheel_.schedule(timer, at);
  arm();
}

void Deadlines::arm() {
  const auto wake = wheel_.next_wake();
  if (!wake || (loop_timer_.armed() && loop_timer_.deadline() <= *wake)) return;
  loop_timer_.start(*wake);
}

void Deadlines::turn() {
  wheel_.advance(clock_.now(), due_);
  after_();
  arm();
}

}  // namespace holdfast::worker
