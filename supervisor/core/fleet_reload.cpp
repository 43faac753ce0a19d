// A reload: prepare, start, open, pause the old, commit; or fail and roll back. The first start
// goes the same way, with nobody to pause and nothing to roll back to.
#include <algorithm>

#include "shared/core/duration.hpp"
#include "supervisor/core/fleet_turn.hpp"

namespace holdfast::supervisor {

void FleetTurn::on(const Started&) {
  if (!fleet_.serving && !fleet_.candidate && !fleet_.stop) open_candidate();
}

// Any number of requests during a reload become one more: the last one's files are what counts.
void FleetTurn::on(const ReloadRequested& event) {
  if (fleet_.stop) return settle_request(event.request, ReloadOutcome::Stopped);
  if (fleet_.candidate && !fleet_.reload_pending) act(report("reload_queued"));
  fleet_.reload_pending = true;
  // A HUP of somebody who does not wait takes the place too: it is newer.
  settle_request(std::exchange(fleet_.pending_request, event.request), ReloadOutcome::Superseded);
}

void FleetTurn::settle_request(std::uint64_t request, ReloadOutcome outcome,
                               std::optional<GenerationId> generation, const std::string& reason) {
  if (request != 0) act(SettleReload{request, outcome, generation, reason});
}

void FleetTurn::open_candidate() {
  const GenerationId id = fleet_.next_generation;
  fleet_.next_generation = id.next();
  fleet_.candidate = Candidate{id,
                               ReloadPhase::Preparing,
                               fleet_.wanted,
                               now_,
                               now_ + fleet_.policy.ready_timeout,
                               std::exchange(fleet_.pending_request, 0),
                               fleet_.policy,
                               fleet_.wanted};
  if (fleet_.serving) act(report("reload_started").with("generation", id.value));
  act(PrepareGeneration{id});
}

void FleetTurn::on(const GenerationPrepared& event) {
  const bool awaited = fleet_.candidate && fleet_.candidate->id == event.generation &&
                       fleet_.candidate->phase == ReloadPhase::Preparing;
  if (!awaited) {
    // The answer came after the deadline or a stop. The serving generation was prepared long ago.
    const bool in_use = fleet_.serving == event.generation ||
                        (fleet_.candidate && fleet_.candidate->id == event.generation);
    if (!in_use) act(ForgetGeneration{event.generation});
    return;
  }
  Candidate& candidate = *fleet_.candidate;
  if (event.policy) candidate.policy = *event.policy;
  candidate.gone_listeners = event.gone_listeners;
  // What `scale` said holds until the configured number changes.
  const bool changed = candidate.policy.workers != fleet_.policy.workers;
  candidate.size =
      changed ? std::clamp<std::size_t>(candidate.policy.workers, 1, kMaxWorkers) : fleet_.wanted;
  const std::size_t canary = fleet_.serving ? candidate.policy.canary : 0;
  candidate.workers = canary > 0 ? std::min(canary, candidate.size) : candidate.size;
  candidate.phase = ReloadPhase::Starting;
  candidate.deadline = candidate.began_at + candidate.policy.ready_timeout;
  for (std::size_t i = 0, n = candidate.workers; i < n; ++i) start_worker(event.generation);
}

void FleetTurn::on(const GenerationRefused& event) {
  const bool awaited = fleet_.candidate && fleet_.candidate->id == event.generation &&
                       fleet_.candidate->phase == ReloadPhase::Preparing;
  if (!awaited) return;
  if (fleet_.serving) return fail_candidate(event.cause, nullptr, ReloadOutcome::Refused);
  act(failure("start_failed")
          .with("generation", event.generation.value)
          .with("reason", event.cause));
  begin_stop(ExitCode::BadConfiguration, event.cause);
}

// Called whenever a worker of the candidate got further.
void FleetTurn::advance_candidate() {
  if (!fleet_.candidate || fleet_.stop) return;
  Candidate& candidate = *fleet_.candidate;
  std::size_t prepared = 0;
  std::size_t accepting = 0;
  for (const Worker& worker : fleet_.workers) {
    if (!is_candidate(worker) || worker.exited) continue;
    prepared += worker.phase == WorkerPhase::Ready || worker.phase == WorkerPhase::Opening ||
                worker.phase == WorkerPhase::Accepting;
    accepting += worker.phase == WorkerPhase::Accepting;
  }
  // In a first start a worker that died while the others opened is replaced, so some may accept
  // already when the last one gets ready.
  if ((candidate.phase == ReloadPhase::Starting || candidate.phase == ReloadPhase::Opening) &&
      prepared == candidate.workers) {
    candidate.phase = ReloadPhase::Opening;
    for (Worker& worker : fleet_.workers) {
      if (is_candidate(worker) && worker.phase == WorkerPhase::Ready) accept(worker);
    }
  }
  if (candidate.phase == ReloadPhase::Opening && accepting == candidate.workers) {
    candidate.workers < candidate.size ? begin_canary() : pause_the_serving();
  }
  // Once more, because one may have died since; its end is about to fail the reload.
  if (candidate.phase == ReloadPhase::Pausing && accepting == candidate.workers) {
    const bool awaited = std::ranges::any_of(fleet_.workers, [&](const Worker& worker) {
      return serves(worker) && worker.phase == WorkerPhase::Pausing && !worker.exited;
    });
    if (!awaited) return begin_probation();
  }
  // Nobody is left to return to.
  if (watched() && old_paused() && accepting == candidate.workers && !can_return()) commit();
}

void FleetTurn::pause_the_serving() {
  fleet_.candidate->phase = ReloadPhase::Pausing;
  fleet_.candidate->deadline = now_ + fleet_.candidate->policy.pause_timeout;
  fleet_.candidate->ready_ms = millis_between(fleet_.candidate->began_at, now_);
  for (Worker& worker : fleet_.workers) {
    if (!serves(worker) || worker.exited) continue;
    if (worker.phase != WorkerPhase::Accepting && worker.phase != WorkerPhase::Opening) continue;
    act(TellPause{worker.id, fleet_.candidate->gone_listeners});
    worker.phase = WorkerPhase::Pausing;
    worker.deadline.reset();  // the candidate's deadline covers it
  }
}

void FleetTurn::commit() {
  const Candidate candidate = *fleet_.candidate;
  const std::optional<GenerationId> old = fleet_.serving;
  fleet_.candidate.reset();
  fleet_.serving = candidate.id;
  fleet_.vacancies.clear();
  fleet_.history = {};
  if (candidate.policy.workers != fleet_.policy.workers) fleet_.wanted = candidate.size;
  fleet_.recycling.reset();
  fleet_.recent = {};
  for (const Worker& worker : fleet_.workers) {
    if (serves(worker)) fleet_.recent.add(now_, worker.responses);
  }
  const std::uint64_t took = candidate.ready_ms.value_or(millis_between(candidate.began_at, now_));
  if (!old) {
    fleet_.policy = candidate.policy;
    act(AnnounceServing{});  // first: who reads `serving` may rely on the pid file
    act(report("serving").with("generation", candidate.id.value).with("ready_ms", took));
    return;
  }
  act(report("reload_done").with("generation", candidate.id.value).with("ready_ms", took));
  settle_request(candidate.request, ReloadOutcome::Committed, candidate.id);
  retire(*old, Retirement{candidate.id, candidate.request, took});
  if (!candidate.gone_listeners.empty()) act(CloseTheDoor{*old});  // before anybody drains
  // Before their takers are told to leave as well.
  for (const Worker& worker : fleet_.workers) {
    if (worker.hands_off && !worker.exited && worker.phase == WorkerPhase::Draining)
      connect_takers(worker);
  }
  for (Worker& worker : fleet_.workers) {
    if (worker.generation != *old) continue;
    if (worker.exited || worker.phase == WorkerPhase::Killed) {
      worker.leaving = true;  // a crash that needs no replacement any more
      continue;
    }
    switch (worker.phase) {
      case WorkerPhase::Starting:
        terminate(worker);
        break;
      case WorkerPhase::Ready:
      case WorkerPhase::Opening:
      case WorkerPhase::Accepting:
      case WorkerPhase::Pausing:
      case WorkerPhase::Paused:
        drain(worker, DrainReason::Reload, candidate.gone_listeners);
        break;
      case WorkerPhase::Draining:
      case WorkerPhase::Terminating:
      case WorkerPhase::Killed:
        break;
      case WorkerPhase::Aborting:
        worker.leaving = true;
        break;
    }
  }
  if (!candidate.gone_listeners.empty()) close_gone_listeners(*old);
  // The old ones leave by the rules they were started under.
  fleet_.policy = candidate.policy;
  act(ForgetGeneration{*old});
  look_at_gone_listeners();
}

// From here on the generation's end is accounted; its last worker's exit closes the account.
// A generation that a reload replaced has one although all its workers were gone before.
void FleetTurn::retire(GenerationId generation, const std::optional<Retirement>& by) {
  const std::size_t workers = count(generation);
  Retired retired{generation, now_, workers, {}};
  if (by) {
    retired.ready_ms = by->ready_ms;
    retired.request = by->request;
    retired.successor = by->successor;
  }
  if (workers > 0) {
    fleet_.retired.push_back(retired);
  } else if (by) {
    close_account(retired);
  }
}

void FleetTurn::fail_candidate(const std::string& reason, const Worker* culprit,
                               ReloadOutcome outcome) {
  if (goes_on_all_the_same(reason, culprit)) return;
  const Candidate candidate = *fleet_.candidate;
  Report verdict = failure("reload_failed")
                       .with("generation", candidate.id.value)
                       .with("phase", std::string(to_string(candidate.phase)))
                       .with("reason", reason);
  if (culprit != nullptr) {
    verdict.about(culprit->id).with_stderr_tail = true;
    if (culprit->exited) with_status(verdict, *culprit->exited);
  }
  act(std::move(verdict));
  settle_request(candidate.request, outcome, candidate.id, reason);
  fleet_.candidate.reset();
  fleet_.rolling_back = candidate.id;
  bool somebody_left = false;
  for (Worker& worker : fleet_.workers) {
    if (!serves(worker) || worker.leaving || worker.exited) continue;
    if (worker.phase == WorkerPhase::Killed || worker.phase == WorkerPhase::Aborting) continue;
    somebody_left = true;
    if (worker.phase == WorkerPhase::Ready || worker.phase == WorkerPhase::Pausing ||
        worker.phase == WorkerPhase::Paused) {
      accept(worker);
    }
  }
  retire(candidate.id);
  for (Worker& worker : fleet_.workers) {
    if (worker.generation != candidate.id) continue;
    if (worker.exited) {
      worker.leaving = true;
    } else if (worker.phase == WorkerPhase::Opening || worker.phase == WorkerPhase::Accepting) {
      drain(worker, DrainReason::Rollback);
    } else if (worker.phase == WorkerPhase::Starting || worker.phase == WorkerPhase::Ready) {
      terminate(worker);
    } else {
      worker.leaving = true;
    }
  }
  act(ForgetGeneration{candidate.id});
  // Nobody serves: the back-off protects the machine from a loop, not the clients from an outage.
  if (!somebody_left) std::ranges::fill(fleet_.vacancies, now_);
}

}  // namespace holdfast::supervisor
