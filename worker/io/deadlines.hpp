// The deadlines of all connections over one timer of the loop. One thread.
#pragma once

#include <functional>

#include <boost/asio/io_context.hpp>

#include "worker/core/timer_wheel.hpp"
#include "worker/io/loop_clock.hpp"

namespace holdfast::worker {

class Deadlines {
 public:
  // `due` is called for each timer whose deadline has passed, `after` behind them all.
  Deadlines(boost::asio::io_context& io, LoopClock& clock, std::function<void(Timer&)> due,
            std::function<void()> after);

  void schedule(Timer& timer, TimePoint at);  // a timer that is scheduled moves
  void cancel(Timer& timer) { wheel_.cancel(timer); }

 private:
  void arm();
  void turn();

  LoopClock& clock_;
  std::function<void(Timer&)> due_;
  std::function<void()> after_;
  TimerWheel wheel_;
  LoopTimer loop_timer_;
};

}  // namespace holdfast::worker
