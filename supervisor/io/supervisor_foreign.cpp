// Where the supervisor starts a worker, and what it hears of one, whatever that worker speaks.
#include <algorithm>
#include <csignal>
#include <unistd.h>

#include "supervisor/io/foreign_launch.hpp"
#include "supervisor/io/supervisor.hpp"

namespace holdfast::supervisor {

WorkerProcess::Callbacks Supervisor::callbacks_for(WorkerId id, GenerationId generation,
                                                   pid_t pid) {
  WorkerProcess::Callbacks callbacks;
  callbacks.channel.on_message = [this, id](const ControlMessage& message,
                                            const std::vector<UniqueFd>&) {
    received(id, message);
    if (std::holds_alternative<Draining>(message)) {
      repair_listeners();
      watch_listeners();  // closely, from now on
    }
  };
  callbacks.channel.on_closed = [this, id](const std::optional<Error>& error) {
    if (error) return feed(WorkerBrokeProtocol{id, error->message});
    feed(ChannelClosed{id});
  };
  callbacks.output.on_line = [this, id, generation, pid](std::string_view line, bool truncated) {
    const auto now = std::chrono::time_point_cast<WallTime::duration>(WallTime::clock::now());
    const std::string event = worker_output_line(generation, id, pid, line, truncated, now);
    events_.add(event, EventLog::Source::Worker);
    operators_.printed(event);
  };
  callbacks.output.on_pause = [this] { events_.flush(); };
  callbacks.on_exit = [this, id](ExitStatus status) {
    repair_listeners();
    if (reaper_) reaper_->look();
    status.oom_killed = status.signal == SIGKILL && oom_kills_.grew();
    feed(WorkerExited{id, status});
  };
  return callbacks;
}

Result<void> Supervisor::launch_foreign_worker(const StartWorker& action,
                                               const GenerationSettings& settings) {
  ForeignLaunch launch{settings.plan, settings.options.foreign, action.generation, action.worker,
                       listeners_.infos(action.generation)};
  HOLDFAST_ASSIGN(const std::vector<UniqueFd> copies, listeners_.duplicates(action.generation));
  for (const UniqueFd& fd : copies) launch.descriptors.push_back(fd.get());
  launch.child_index = free_child_index(action.worker);
  launch.probation = settings.options.fleet.probation;
  launch.heartbeat_timeout = settings.options.fleet.heartbeat_timeout;
  ForeignCalls calls;
  calls.worker = [&](pid_t pid) { return callbacks_for(action.worker, action.generation, pid); };
  calls.on_report = [this](const Report& said) {
    perform(said);
    events_.flush();
  };
  HOLDFAST_ASSIGN(auto process, launch_foreign(io_, launcher_, launch, std::move(calls)));
  workers_[action.worker] = std::move(process);
  if (!watching_listeners_) watch_listeners();
  return {};
}

// Once a generation serves with them: what never served is not worth keeping. What a reload took
// away leaves the store before it is emptied, and ends as it would without one.
void Supervisor::store_listeners() {
  if (!options_.fdstore || !notifier_.connected()) return;
  const ListenerSet::StoreChanges changes = listeners_.keep();
  for (const std::string& name : changes.removed)
    notifier_.remove_stored(std::string(kStoredPrefix) + name);
  for (const ListenerSet::Kept& kept : changes.added)
    notifier_.store(std::string(kStoredPrefix) + kept.name, kept.fd);
}

// Before the first worker starts, whose orphans may come at once.
void Supervisor::adopt_orphans() {
  if (options_.subreaper) {
    if (auto done = become_subreaper(); !done)
      perform(warning("not_a_subreaper").with("reason", done.error().message));
  }
  if (!options_.subreaper && ::getpid() != 1) return;
  reaper_ = std::make_unique<StrangerReaper>(io_, [this](pid_t pid) {
    if (metrics_ && metrics_->pid() == pid) return true;
    return std::ranges::any_of(workers_,
                               [&](const auto& entry) { return entry.second->pid() == pid; });
  });
}

// A server of somebody else's may do with our listener what it likes, and at any time.
void Supervisor::watch_listeners() {
  constexpr Millis kListenersEvery{1'000};
  // A server that is told to stop is the most likely to shut what it listens on.
  constexpr Millis kWhileOneDrains{10};
  std::erase_if(child_indices_,
                [this](const auto& entry) { return !workers_.contains(entry.first); });
  watching_listeners_ = !child_indices_.empty();
  if (!watching_listeners_) return;
  const bool drains = std::ranges::any_of(fleet_.workers, [this](const Worker& worker) {
    return worker.phase == WorkerPhase::Draining && child_indices_.contains(worker.id);
  });
  health_timer_.expires_after(drains ? kWhileOneDrains : kListenersEvery);
  health_timer_.async_wait([this](boost::system::error_code cancelled) {
    if (cancelled) return;
    repair_listeners();
    watch_listeners();
  });
}

void Supervisor::repair_listeners() {
  for (const ListenerSet::Repair& repair : listeners_.repair()) {
    Report text = repair.failure.empty() ? warning("listener_repaired") : failure("listener_lost");
    text.with("listener", repair.name).with("address", repair.address);
    if (!repair.failure.empty()) text.with("reason", repair.failure);
    perform(text);
  }
  events_.flush();
}

// The lowest that no living worker has, so that a service can tell its shares of work by it.
std::size_t Supervisor::free_child_index(WorkerId worker) {
  std::erase_if(child_indices_,
                [this](const auto& entry) { return !workers_.contains(entry.first); });
  std::size_t index = 0;
  const auto taken = [&] {
    return std::ranges::any_of(child_indices_,
                               [&](const auto& entry) { return entry.second == index; });
  };
  while (taken()) ++index;
  child_indices_[worker] = index;
  return index;
}

}  // namespace holdfast::supervisor
