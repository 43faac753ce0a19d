// What one worker says, and what it is told.
#include <algorithm>

#include "supervisor/core/fleet_turn.hpp"

namespace holdfast::supervisor {

void FleetTurn::start_worker(GenerationId generation) {
  const WorkerId id = fleet_.next_worker;
  fleet_.next_worker = id.next();
  Worker worker{id, generation};
  worker.started_at = now_;
  // A candidate's workers share the candidate's deadline.
  if (serves(worker)) worker.deadline = now_ + fleet_.policy.ready_timeout;
  fleet_.workers.push_back(worker);
  act(StartWorker{id, generation});
}

void FleetTurn::accept(Worker& worker) {
  act(TellAccept{worker.id});
  worker.phase = WorkerPhase::Opening;
  worker.deadline.reset();
  if (serves(worker)) worker.deadline = now_ + fleet_.policy.ready_timeout;
}

// A second drain keeps the earlier deadline, as the worker does.
void FleetTurn::drain(Worker& worker, DrainReason reason, std::vector<std::string> last_of) {
  if (!last_of.empty()) worker.accepts_last = true;
  const TimePoint deadline = now_ + fleet_.policy.longest_drain() + fleet_.policy.kill_timeout;
  const bool again = worker.phase == WorkerPhase::Draining && worker.deadline;
  worker.deadline = again ? std::min(*worker.deadline, deadline) : deadline;
  worker.phase = WorkerPhase::Draining;
  worker.leaving = true;
  worker.hands_off = reason == DrainReason::Reload && connect_takers(worker);
  worker.pong_by.reset();
  act(TellDrain{worker.id, reason, fleet_.policy.stop_timeout,
                worker.hands_off ? IdlePolicy::Handoff : IdlePolicy::Close,
                fleet_.policy.longest_drain(), std::move(last_of)});
  act(AskStats{worker.id});  // should it have to be killed, its counts are known
}

void FleetTurn::terminate(Worker& worker) {
  worker.phase = WorkerPhase::Terminating;
  worker.leaving = true;
  worker.deadline = now_ + fleet_.policy.kill_timeout;
  act(TerminateWorker{worker.id});
}

void FleetTurn::kill(Worker& worker, const std::string& reason) {
  act(warning("worker_killed")
          .about(worker.id)
          .with("reason", reason)
          .with("phase", std::string(to_string(worker.phase)))
          .with("connections", worker.connections)
          .with("in_flight", worker.in_flight));
  worker.phase = WorkerPhase::Killed;
  worker.deadline = now_ + kKillTakesEffect;
  act(KillWorker{worker.id});
}

void FleetTurn::on(const WorkerGreeted& event) {
  Worker* worker = find_alive(event.worker);
  if (worker == nullptr || worker->phase != WorkerPhase::Starting) return;
  if (worker->welcomed) return misbehaved(*worker, "said hello twice");
  const auto version = common_protocol(kProtocol, event.protocol);
  if (!version) return misbehaved(*worker, "speaks no version of the protocol that we speak");
  worker->welcomed = true;
  worker->handoff = event.handoff;
  act(WelcomeWorker{worker->id, *version});
}

void FleetTurn::on(const WorkerBecameReady& event) {
  Worker* worker = find_alive(event.worker);
  if (worker == nullptr || worker->phase != WorkerPhase::Starting) return;
  if (!worker->welcomed) return misbehaved(*worker, "said ready before it was welcomed");
  worker->phase = WorkerPhase::Ready;
  worker->ready_at = now_;
  worker->deadline.reset();
  act(report("worker_ready")
          .about(worker->id)
          .with("ready_ms", millis_between(worker->started_at, now_)));
  if (is_candidate(*worker)) {
    if (first_start()) fleet_.history.became_ready();
    return advance_candidate();
  }
  if (!serves(*worker)) return;
  fleet_.history.became_ready();
  // During the pause it waits for the verdict: commit drains it, rollback lets it accept.
  if (!old_paused()) accept(*worker);
}

void FleetTurn::on(const WorkerAccepted& event) {
  Worker* worker = find_alive(event.worker);
  if (worker == nullptr || worker->phase != WorkerPhase::Opening || worker->condemned) return;
  worker->phase = WorkerPhase::Accepting;
  worker->deadline.reset();
  act(report("worker_accepting").about(worker->id));
  if (serves(*worker)) connect_givers(*worker);
  if (is_candidate(*worker)) advance_candidate();
}

void FleetTurn::on(const WorkerPaused& event) {
  Worker* worker = find_alive(event.worker);
  if (worker == nullptr || worker->phase != WorkerPhase::Pausing) return;
  worker->phase = WorkerPhase::Paused;
  advance_candidate();
}

// Asked for, this is an acknowledgement. Unasked, the worker leaves: an operator's TERM, or it
// recycles itself.
void FleetTurn::on(const WorkerBeganDrain& event) {
  Worker* worker = find_alive(event.worker);
  if (worker == nullptr || worker->leaving || worker->condemned) return;
  if (worker->phase == WorkerPhase::Killed) return;
  act(report("worker_leaving")
          .about(worker->id)
          .with("reason", std::string(to_string(event.reason))));
  const bool candidate = is_candidate(*worker);
  worker->phase = WorkerPhase::Draining;
  worker->leaving = true;
  worker->deadline = now_ + fleet_.policy.longest_drain() + fleet_.policy.kill_timeout;
  if (candidate && !first_start()) {
    fail_candidate("a worker began to drain by itself", worker);
  } else if (!fleet_.stop && (serves(*worker) || candidate)) {
    replace(*worker);
    advance_candidate();
  }
}

void FleetTurn::on(const WorkerDrained& event) {
  Worker* worker = find(event.worker);
  if (worker == nullptr) return;
  const Drained& counts = event.counts;
  Report drained =
      counts.cut == 0 && counts.log_lines_lost == 0 ? report("drained") : warning("drained");
  drained.about(worker->id)
      .with("served", counts.served)
      .with("handed_off", counts.handed_off)
      .with("closed_idle", counts.closed_idle)
      .with("cut", counts.cut);
  if (counts.log_lines_lost != 0) drained.with("log_lines_lost", counts.log_lines_lost);
  act(std::move(drained));
  const auto add = [&](DrainTotals& totals) {
    totals.served += counts.served;
    totals.handed_off += counts.handed_off;
    totals.closed_idle += counts.closed_idle;
    totals.cut += counts.cut;
    totals.cut_overtime += std::min(counts.cut_overtime, counts.cut);  // a worker may say anything
    totals.refused += counts.refused;
  };
  if (fleet_.stop) add(fleet_.stop->totals);
  for (Retired& retired : fleet_.retired) {
    if (retired.id == worker->generation) add(retired.totals);
  }
  worker->connections = 0;
  worker->in_flight = 0;
  // All that is left is to exit.
  if (worker->leaving && worker->phase == WorkerPhase::Draining && worker->deadline) {
    worker->deadline = std::min(*worker->deadline, now_ + fleet_.policy.kill_timeout);
  }
}

void FleetTurn::on(const WorkerLoadChanged& event) {
  Worker* worker = find(event.worker);
  if (worker == nullptr) return;
  worker->connections = event.connections;
  worker->in_flight = event.in_flight;
  const ResponseCount before = worker->responses;
  worker->responses = {event.requests, event.responses_5xx};
  // A worker may say anything; its counts only ever grow.
  if (serves(*worker) && event.requests >= before.requests && event.responses_5xx >= before.errors)
    fleet_.recent.add(now_,
                      {event.requests - before.requests, event.responses_5xx - before.errors});
  if (worker->condemned && !worker->exited && worker->phase != WorkerPhase::Killed) {
    kill(*worker, "stop at once");
  }
  if (is_candidate(*worker)) judge_errors();
}

void FleetTurn::on(const ScaleRequested& event) {
  if (fleet_.stop) return;
  const auto wanted = event.to ? static_cast<std::int64_t>(*event.to)
                               : static_cast<std::int64_t>(fleet_.wanted) + event.delta;
  const auto allowed = std::clamp<std::int64_t>(wanted, 1, kMaxWorkers);
  fleet_.wanted = static_cast<std::size_t>(allowed);
  if (wanted == allowed) {
    act(report("scaled").with("workers", std::uint64_t{fleet_.wanted}));
  } else {
    act(warning("scale_refused").with("workers", std::uint64_t{fleet_.wanted}));
  }
}

// One fewer: whoever does least for the clients goes first, the newest before the older.
void FleetTurn::scale_down() {
  if (!fleet_.vacancies.empty()) {
    fleet_.vacancies.erase(std::ranges::max_element(fleet_.vacancies));
    return;
  }
  const auto worth = [](const Worker& worker) {
    if (worker.exited || worker.phase == WorkerPhase::Killed) return 0;
    if (worker.phase == WorkerPhase::Aborting) return 0;
    return worker.phase == WorkerPhase::Starting ? 1 : 2;
  };
  Worker* chosen = nullptr;
  for (Worker& worker : fleet_.workers) {
    if (!serves(worker) || worker.leaving) continue;
    if (chosen == nullptr || worth(worker) <= worth(*chosen)) chosen = &worker;
  }
  if (chosen == nullptr) return;
  if (worth(*chosen) == 0) {
    chosen->leaving = true;
  } else if (chosen->phase == WorkerPhase::Starting) {
    terminate(*chosen);
  } else {
    drain(*chosen, DrainReason::Scale);
  }
}

}  // namespace holdfast::supervisor
