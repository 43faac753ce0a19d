// What each deadline does when it strikes. Every strike is reported, with counts where there are
// any.
#include <algorithm>

#include "shared/core/duration.hpp"
#include "supervisor/core/fleet_turn.hpp"

namespace holdfast::supervisor {

void FleetTurn::on(const TimerFired&) {
  fleet_.wake_at.reset();  // the timer is spent, so arm() sets it anew
  std::vector<WorkerId> struck;
  for (const Worker& worker : fleet_.workers) {
    const auto over = [&](std::optional<TimePoint> when) { return when && *when <= now_; };
    if (over(worker.deadline) || over(worker.end_by) || over(worker.pong_by))
      struck.push_back(worker.id);
  }
  for (const WorkerId id : struck) {
    if (find(id) != nullptr) strike(id);
  }
  if (fleet_.candidate && fleet_.candidate->deadline <= now_) {
    watched() ? strike_watched() : strike_candidate();
  } else if (watched() && fleet_.candidate->look_at && *fleet_.candidate->look_at <= now_) {
    look();
  }
  for (Closing& closing : fleet_.closing) strike_closing(closing);
  beat();
  if (fleet_.stop) strike_stop();
}

void FleetTurn::strike(WorkerId id) {
  Worker& worker = *find(id);
  if (worker.end_by && *worker.end_by <= now_) {
    worker.end_by.reset();
    if (worker.exited) return finish(id);
    return misbehaved(worker, "closed its channel and lives");
  }
  if (worker.pong_by && *worker.pong_by <= now_) return strike_silent(worker);
  if (!worker.deadline || *worker.deadline > now_) return;
  const FleetPolicy& policy = fleet_.policy;
  if (worker.condemned && worker.phase != WorkerPhase::Killed) return kill(worker, "stop at once");
  switch (worker.phase) {
    case WorkerPhase::Starting:
      return misbehaved(worker, "not ready within " + format_duration(policy.ready_timeout));
    case WorkerPhase::Opening:
      return misbehaved(worker, "not accepting within " + format_duration(policy.ready_timeout));
    case WorkerPhase::Draining:
      return kill(worker, "still there " + format_duration(policy.kill_timeout) +
                              " after its stop_timeout");
    case WorkerPhase::Terminating:
      return kill(worker, "still there " + format_duration(policy.kill_timeout) + " after SIGTERM");
    case WorkerPhase::Aborting:
      return kill(worker, "still there " + format_duration(kAbortTakesEffect) + " after SIGABRT");
    case WorkerPhase::Killed:
      act(failure("worker_stuck").about(id));
      return finish(id);
    case WorkerPhase::Ready:
    case WorkerPhase::Accepting:
    case WorkerPhase::Pausing:
    case WorkerPhase::Paused:
      worker.deadline.reset();
  }
}

void FleetTurn::strike_candidate() {
  const Candidate& candidate = *fleet_.candidate;
  std::uint64_t ready = 0;
  std::uint64_t accepting = 0;
  std::uint64_t unpaused = 0;
  const Worker* late = nullptr;
  for (const Worker& worker : fleet_.workers) {
    if (is_candidate(worker)) {
      ready += worker.ready_at.has_value();
      accepting += worker.phase == WorkerPhase::Accepting && !worker.exited;
      const bool done = candidate.phase == ReloadPhase::Opening
                            ? worker.phase == WorkerPhase::Accepting
                            : worker.ready_at.has_value();
      if (!done && late == nullptr) late = &worker;
    }
    unpaused += serves(worker) && worker.phase == WorkerPhase::Pausing;
  }
  if (candidate.phase == ReloadPhase::Pausing) {
    act(warning("pause_timed_out")
            .with("generation", candidate.id.value)
            .with("unpaused", unpaused));
    if (accepting == candidate.workers) return begin_probation();
    return fail_candidate("a worker of the candidate exited");
  }
  const bool opening = candidate.phase == ReloadPhase::Opening;
  const std::string reason = std::to_string(opening ? accepting : ready) + " of " +
                             std::to_string(candidate.workers) +
                             (opening ? " workers accepting within " : " workers ready within ") +
                             format_duration(candidate.policy.ready_timeout);
  if (fleet_.serving) return fail_candidate(reason, late);
  Report verdict =
      failure("start_failed").with("generation", candidate.id.value).with("reason", reason);
  if (late != nullptr) verdict.about(late->id).with_stderr_tail = true;
  act(std::move(verdict));
  begin_stop(ExitCode::NotReady,
             "cannot start generation " + std::to_string(candidate.id.value) + ": " + reason);
}

void FleetTurn::strike_stop() {
  Stop& stop = *fleet_.stop;
  if (stop.deadline && *stop.deadline <= now_) {
    if (stop.phase == StopPhase::LameDuck) return close_down();
    if (stop.phase == StopPhase::EmptyingQueues) {
      act(warning("queues_not_empty")
              .with("queued", stop.queued)
              .with("half_open", stop.half_open));
      stop.totals.refused += stop.queued + stop.half_open;
      return close_worker_listeners();
    }
    if (stop.phase == StopPhase::ClosingListeners) {
      const auto silent = std::ranges::count_if(fleet_.workers, [](const Worker& worker) {
        return worker.takes_the_queue && !worker.listeners_closed;
      });
      act(warning("listeners_not_closed").with("workers", static_cast<std::uint64_t>(silent)));
      return shut_listeners();
    }
  }
  if (stop.check_at && *stop.check_at <= now_) {
    stop.check_at = now_ + kQueueCheckEvery;
    act(MeasureQueues{});
  }
}

}  // namespace holdfast::supervisor
