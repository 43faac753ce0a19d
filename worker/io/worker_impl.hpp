// What a Worker is made of: the link to the supervisor, the signals, the log and the tracker.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "holdfast/worker/worker.hpp"
#include "worker/io/drain_signals.hpp"
#include "worker/io/shared_access_log.hpp"
#include "worker/io/worker_handoff.hpp"
#include "worker/io/worker_link.hpp"

namespace holdfast::worker {

class Worker::Impl final : public LinkedService {
 public:
  explicit Impl(WorkerSettings settings);
  ~Impl() override;

  WorkerLink& link() { return link_; }
  void drained(DrainCounts counts);
  ConnectionTracker& tracker() { return tracker_; }
  void answered(int status);
  void log(const AccessEntry& entry);
  bool logs() const { return log_.enabled(); }
  void start_thread();
  int wait();

  std::vector<WorkerListener> listeners;
  Identity identity;
  bool supervised = false;
  std::function<void()> accept;
  std::function<void()> pause;
  std::function<void(bool)> close;
  std::function<void()> lame_duck;
  std::function<void(std::string_view, TimePoint)> drain;
  std::function<void()> cut;
  void on_connection(std::function<void(TakenConnection)> callback) {
    handoff_.taken = std::move(callback);
  }

 private:
  void start_alone();
  void await_welcome();
  LifecyclePolicy policy() const;
  void run();
  void drain_tracker(bool moves);
  bool has_one_of(const std::vector<std::string>& names) const;

  LifecyclePolicy on_welcome(const Welcome& welcome, std::vector<UniqueFd> fds) override;
  void take_logs(const std::vector<std::string>& names, std::vector<UniqueFd> fds) override;
  void start_accepting() override;
  void pause_accepting(const std::vector<std::string>& except) override;
  void keep_listening(const std::vector<std::string>& names) override;
  void close_listeners(bool accept_queued) override;
  void begin_lame_duck() override;
  void begin_drain(DrainReason reason, IdlePolicy idle, TimePoint deadline) override;
  void cut_connections() override;
  void use_own_stderr() override;
  Drained finish() override;
  void meet(const Peer& peer, UniqueFd link) override;
  std::optional<HandoffDone> handoff_done() override;
  Stats stats() override;
  std::size_t connections() override;
  std::optional<TimePoint> wake_at() override;
  void on_wake() override;

  WorkerSettings settings_;
  WorkerLink link_;
  DrainSignals signals_;
  SharedAccessLog log_;
  ConnectionTracker tracker_;
  WorkerHandoff handoff_;
  std::atomic<bool> draining_ = false;
  std::atomic<std::uint64_t> answered_ = 0;
  std::atomic<std::uint64_t> answered_5xx_ = 0;
  std::uint64_t answered_before_drain_ = 0;
  bool stopping_ = false;  // the service ends
  bool accepted_ = false;  // it may have had connections
  // The service's loop may hold a connection that it has accepted and not opened yet. It gets one
  // turn after the listeners are closed: these many ends of dispatch() must still come.
  int settling_ = 2;
  bool listeners_closed_ = false;
  UniqueFd own_stderr_;

  std::mutex mutex_;
  bool gone_ = false;  // drained() was called
  DrainCounts counts_;

  std::atomic<bool> abandoned_ = false;
  std::thread thread_;
};

}  // namespace holdfast::worker
