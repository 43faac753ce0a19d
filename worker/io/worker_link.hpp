// The worker's end of the control channel and the machine behind it, for a service with an event
// loop of its own: hears orders, feeds the machine, and turns its actions into calls on a
// LinkedService. No Asio. post() and stats_changed() may be called from any thread, the rest from
// the one that dispatches.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "shared/core/control_message.hpp"
#include "shared/core/result.hpp"
#include "shared/io/channel_end.hpp"
#include "worker/core/lifecycle.hpp"
#include "worker/io/dispatch_fd.hpp"

namespace holdfast::worker {

// Called inside WorkerLink::dispatch() only. None of them may destroy the link.
class LinkedService {
 public:
  virtual ~LinkedService() = default;

  // `fds`: one for each listener, then one for each of welcome.fds. Returns the policy to follow.
  virtual LifecyclePolicy on_welcome(const Welcome& welcome, std::vector<UniqueFd> fds) = 0;
  virtual void take_logs(const std::vector<std::string>& names, std::vector<UniqueFd> fds) = 0;

  virtual void start_accepting() = 0;
  virtual void pause_accepting(const std::vector<std::string>& except) = 0;
  virtual void keep_listening(const std::vector<std::string>& names) = 0;
  virtual void close_listeners(bool accept_queued) = 0;  // once
  virtual void begin_lame_duck() = 0;
  virtual void begin_drain(DrainReason reason, IdlePolicy idle, TimePoint deadline) = 0;
  virtual void cut_connections() = 0;
  virtual void use_own_stderr() = 0;
  virtual Drained finish() = 0;  // flushes the log
  virtual void meet(const Peer& peer, UniqueFd link) = 0;
  virtual std::optional<HandoffDone> handoff_done() = 0;

  virtual Stats stats() = 0;
  virtual std::size_t connections() = 0;
  // Deadlines of the service itself.
  virtual std::optional<TimePoint> wake_at() = 0;
  virtual void on_wake() = 0;  // after whatever it was that woke us
};

class WorkerLink {
 public:
  WorkerLink(LinkedService& service, DispatchFd loop);
  ~WorkerLink();

  // Says hello. Without a channel nobody is there to obey. `handoff` as in our_hello().
  void start(UniqueFd channel, LifecyclePolicy policy, bool handoff);

  int fd() const { return loop_.fd(); }
  int wake_fd() const { return loop_.wake_fd(); }
  void wake() { loop_.wake(); }
  void watch_also(int fd) { loop_.watch_also(fd); }  // dispatch() is wanted when it is readable
  void unwatch_also(int fd) { loop_.unwatch_also(fd); }
  bool dispatch();  // false once finished
  bool finished() const { return finished_; }
  bool welcomed() const { return welcomed_; }
  int exit_code() const { return exit_code_; }

  void feed(const WorkerEvent& event);
  void post(WorkerEvent event);  // fed by the next dispatch()
  void stats_changed();          // they are told at most once a second

 private:
  void hear();
  void on_message(const ControlMessage& message, std::vector<UniqueFd> fds);
  void lose(const std::optional<Error>& error);
  void perform(const WorkerAction& action);
  void say(const ControlMessage& message);
  void take_inbox();
  void arm();

  LinkedService& service_;
  DispatchFd loop_;
  std::optional<ChannelEnd> channel_;
  Lifecycle lifecycle_;
  std::optional<TimePoint> stats_at_;
  std::atomic<bool> stats_dirty_ = false;
  bool welcomed_ = false;
  bool listeners_closed_ = false;
  std::atomic<bool> finished_ = false;
  int exit_code_ = 0;

  std::mutex mutex_;
  std::vector<WorkerEvent> inbox_;
};

}  // namespace holdfast::worker
