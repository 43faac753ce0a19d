// What threads other than the server's own may know of it: whether it accepts, whether it is over,
// and how it ended. Any thread.
#pragma once

#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include "holdfast/worker/clock.hpp"
#include "holdfast/worker/server.hpp"
#include "shared/core/time.hpp"

namespace holdfast::worker {

class ServerStatus {
 public:
  explicit ServerStatus(const ManualClock* clock) : clock_(clock) {}

  // On the server's thread
  // ------------------------------------------------------------------------------
  void begin();  // before anything is accepted, on the thread that will serve or before it starts
  void on_thread();  // this is the server's thread
  // Nothing: after a stop. Only the first call counts.
  void end_accepting(std::optional<Failure> failure);
  void end(StopResult result);

  // On any
  // ----------------------------------------------------------------------------------------------
  bool begun() const;
  bool is_server_thread() const;
  std::optional<Failure> wait_accepting() const;
  // Nothing when the time is out before the end.
  std::optional<StopResult> wait_end(Millis timeout) const;

 private:
  TimePoint now() const;

  const ManualClock* const clock_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  bool begun_ = false;
  bool accepting_ended_ = false;
  std::optional<Failure> accept_failure_;
  std::optional<StopResult> result_;
  std::thread::id thread_;
};

}  // namespace holdfast::worker
