// A clock that a test moves by hand. A server that is given one (Options::clock) does nothing by
// real time: each of its timeouts strikes in advance(), on the server's own thread, and has been
// acted on when advance() returns.
//
//   ManualClock clock;
//   Server server({.stop_timeout = 60s, .clock = &clock});
//   ...
//   server.request_stop();
//   clock.advance(60s);  // what was left has been cut
//   EXPECT_TRUE(server.stop().killed);
//
// It must outlive its servers, of which there may be many. Any thread. The Date header and the
// times of day in the access log stay those of the machine; response_time follows this clock.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>

#include "holdfast/export.h"

namespace holdfast::worker {

class ManualTime;

class HOLDFAST_API ManualClock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::nanoseconds;

  // `patience` is real time: how long a call below waits for a server whose thread a handler
  // blocks.
  explicit ManualClock(std::chrono::milliseconds patience = std::chrono::seconds(10));
  ~ManualClock();
  ManualClock(const ManualClock&) = delete;
  ManualClock& operator=(const ManualClock&) = delete;

  TimePoint now() const noexcept;

  // Lets every server finish what it has to do now, as settle() does; then time passes, from one
  // timer to the next, until `by` is over. Timers fire in the order of their deadlines, and what
  // one of them arms within `by` fires too. False when patience ran out: time has passed all the
  // same. In a handler, on a server's own thread, it does not wait for that server.
  bool advance(Duration by);

  // Returns once every server has gone quiet: it has read what clients sent and the kernel has
  // delivered, and has done what was asked of it. False when patience ran out.
  bool settle();

  // Timers that are armed now, over all servers. A server's connections share one.
  std::size_t timers() const;
  // Waits until at least so many are (httpdown's Wait). False when patience ran out.
  bool wait_for_timers(std::size_t count);

 private:
  friend class LoopClock;
  friend class ServerStatus;
  std::unique_ptr<ManualTime> time_;
};

}  // namespace holdfast::worker
