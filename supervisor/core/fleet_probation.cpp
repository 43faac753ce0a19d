// A candidate that accepts is watched before it may replace anybody: a few workers as a canary
// beside the old ones, then all of them in probation, with the old ones paused. Whoever dies, is
// silent or answers too many 5xx fails the reload.
#include <algorithm>

#include "shared/core/duration.hpp"
#include "supervisor/core/fleet_turn.hpp"

namespace holdfast::supervisor {
namespace {

std::string out_of(const ResponseCount& count) {
  return std::to_string(count.errors) + " of " + std::to_string(count.requests);
}

}  // namespace

bool can_accept(const Worker& worker) {
  if (worker.exited) return false;
  return worker.phase == WorkerPhase::Ready || worker.phase == WorkerPhase::Opening ||
         worker.phase == WorkerPhase::Accepting || worker.phase == WorkerPhase::Pausing ||
         worker.phase == WorkerPhase::Paused;
}

bool FleetTurn::watched() const {
  if (!fleet_.candidate) return false;
  const ReloadPhase phase = fleet_.candidate->phase;
  return phase == ReloadPhase::Canary || phase == ReloadPhase::Probation ||
         phase == ReloadPhase::Judging;
}

bool FleetTurn::old_paused() const {
  if (!fleet_.candidate) return false;
  const Candidate& candidate = *fleet_.candidate;
  return candidate.phase == ReloadPhase::Pausing || candidate.phase == ReloadPhase::Probation ||
         (candidate.phase == ReloadPhase::Judging && candidate.workers == candidate.size);
}

bool FleetTurn::can_return() const {
  return std::ranges::any_of(fleet_.workers, [&](const Worker& worker) {
    return serves(worker) && !worker.leaving && can_accept(worker);
  });
}

void FleetTurn::begin_canary() {
  Candidate& candidate = *fleet_.candidate;
  act(report("canary_started")
          .with("generation", candidate.id.value)
          .with("workers", std::uint64_t{candidate.workers})
          .with("canary_ms", static_cast<std::uint64_t>(candidate.policy.canary_time.count())));
  watch(ReloadPhase::Canary, candidate.policy.canary_time);
}

// Without anybody to return to, there is nothing to prove.
void FleetTurn::begin_probation() {
  Candidate& candidate = *fleet_.candidate;
  if (candidate.policy.probation == Millis{0} || !can_return()) return commit();
  act(report("probation_started")
          .with("generation", candidate.id.value)
          .with("ready_ms", candidate.ready_ms.value_or(0))
          .with("probation_ms", static_cast<std::uint64_t>(candidate.policy.probation.count())));
  watch(ReloadPhase::Probation, candidate.policy.probation);
}

void FleetTurn::watch(ReloadPhase phase, Millis time) {
  fleet_.candidate->phase = phase;
  fleet_.candidate->deadline = now_ + time;
  look();
}

// At the numbers of both sides: the rule compares them.
void FleetTurn::look() {
  fleet_.candidate->look_at = now_ + kLookEvery;
  for (const Worker& worker : fleet_.workers) {
    if ((is_candidate(worker) || serves(worker)) && can_accept(worker)) act(AskStats{worker.id});
  }
}

// The last look: a pong comes after the numbers that were asked for before it.
void FleetTurn::judge() {
  fleet_.candidate->phase = ReloadPhase::Judging;
  fleet_.candidate->deadline = now_ + kVerdictWithin;
  fleet_.candidate->look_at.reset();
  for (Worker& worker : fleet_.workers) {
    if (!is_candidate(worker) || worker.exited) continue;
    act(AskStats{worker.id});
    ping(worker);
  }
}

void FleetTurn::judge_errors() {
  if (!watched()) return;
  ResponseCount ours;
  const Worker* worst = nullptr;
  for (const Worker& worker : fleet_.workers) {
    if (!is_candidate(worker)) continue;
    ours.requests += worker.responses.requests;
    ours.errors += worker.responses.errors;
    if (worst == nullptr || worker.responses.errors > worst->responses.errors) worst = &worker;
  }
  if (ours.requests < kJudgedRequests) return;
  if (ours.errors * 100 <= ours.requests * fleet_.candidate->policy.probation_errors) return;
  const ResponseCount theirs = fleet_.recent.last_minute(now_);
  if (!is_worse(ours, theirs)) return;
  fail_candidate("it answered " + out_of(ours) + " requests with 5xx (the old generation " +
                     out_of(theirs) + " in its last minute)",
                 worst);
}

void FleetTurn::on(const WorkerPonged& event) {
  Worker* worker = find_alive(event.worker);
  if (worker == nullptr || worker->pings == 0) return;
  if (--worker->pings > 0) return;
  worker->pong_by.reset();
  if (!fleet_.candidate || fleet_.candidate->phase != ReloadPhase::Judging) return;
  const bool awaited = std::ranges::any_of(fleet_.workers, [&](const Worker& other) {
    return is_candidate(other) && (other.pings > 0 || other.exited);
  });
  if (!awaited) pass_verdict();
}

void FleetTurn::pass_verdict() {
  Candidate& candidate = *fleet_.candidate;
  if (candidate.workers == candidate.size) return commit();
  act(report("canary_passed").with("generation", candidate.id.value));
  const std::size_t missing = candidate.size - candidate.workers;
  candidate.workers = candidate.size;
  candidate.phase = ReloadPhase::Starting;
  candidate.deadline = now_ + candidate.policy.ready_timeout;
  const GenerationId id = candidate.id;
  for (std::size_t i = 0; i < missing; ++i) start_worker(id);
}

void FleetTurn::strike_watched() {
  Candidate& candidate = *fleet_.candidate;
  if (candidate.phase != ReloadPhase::Judging) return judge();
  const std::string reason = "a worker did not answer within " + format_duration(kVerdictWithin);
  const Worker* silent = nullptr;
  // What does not answer cannot be drained either, and would hold up the next reloads.
  for (Worker& worker : fleet_.workers) {
    if (!is_candidate(worker) || worker.pings == 0 || worker.exited) continue;
    abort(worker, reason);
    silent = &worker;
  }
  fail_candidate(reason, silent);
}

// The operator said that there is no way back: what is wrong is told, and the candidate serves.
bool FleetTurn::goes_on_all_the_same(const std::string& reason, const Worker* culprit) {
  if (fleet_.candidate->policy.rollback || !old_paused()) return false;
  Report failed = failure("probation_failed")
                      .with("generation", fleet_.candidate->id.value)
                      .with("phase", std::string(to_string(fleet_.candidate->phase)))
                      .with("reason", reason);
  if (culprit != nullptr) {
    failed.about(culprit->id).with_stderr_tail = true;
    if (culprit->exited) with_status(failed, *culprit->exited);
  }
  act(std::move(failed));
  commit();
  return true;
}

}  // namespace holdfast::supervisor
