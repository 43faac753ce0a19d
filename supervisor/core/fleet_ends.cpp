// How workers end: an exit and the channel's EOF, in either order, and what follows for the
// generation.
#include <algorithm>

#include "supervisor/core/fleet_turn.hpp"

namespace holdfast::supervisor {

void FleetTurn::on(const WorkerNotStarted& event) {
  Worker* worker = find(event.worker);
  if (worker == nullptr) return;
  act(failure("worker_not_started")
          .with("generation", worker->generation.value)
          .with("worker", worker->id.value)
          .with("reason", event.cause));
  // There is no process to reap and no channel to read.
  const bool candidate = is_candidate(*worker);
  const bool fails = candidate && !first_start() && !worker->leaving;
  worker->leaving = worker->leaving || fails;
  const Worker gone = *worker;
  std::erase_if(fleet_.workers, [&](const Worker& other) { return other.id == gone.id; });
  if (fails) return fail_candidate(event.cause);
  account(gone);
}

// It cannot be talked with, so it cannot be drained.
void FleetTurn::misbehaved(Worker& worker, const std::string& reason) {
  if (worker.phase == WorkerPhase::Killed) return;
  const WorkerId id = worker.id;
  kill(worker, reason);
  if (is_candidate(worker) && !first_start() && !worker.leaving) fail_candidate(reason, find(id));
}

void FleetTurn::on(const WorkerBrokeProtocol& event) {
  Worker* worker = find(event.worker);
  if (worker == nullptr) return;
  worker->channel_closed = true;
  if (worker->exited) return finish(event.worker);
  misbehaved(*worker, event.cause);
}

void FleetTurn::on(const ChannelClosed& event) {
  Worker* worker = find(event.worker);
  if (worker == nullptr) return;
  worker->channel_closed = true;
  if (worker->exited) return finish(event.worker);
  if (worker->phase != WorkerPhase::Killed) worker->end_by = now_ + kEndTogether;
}

// The kernel may report the death before the last message was read, and that message (`drained`)
// counts.
void FleetTurn::on(const WorkerExited& event) {
  Worker* worker = find(event.worker);
  if (worker == nullptr || worker->exited) return;
  worker->exited = event.status;
  if (worker->channel_closed) return finish(event.worker);
  // Somebody else may hold the channel's other end: a child that the worker forked.
  worker->end_by = now_ + kEndTogether;
  worker->deadline.reset();
}

void FleetTurn::finish(WorkerId id) {
  const Worker worker = *find(id);
  const bool clean = worker.exited && !worker.exited->signal && worker.exited->code == 0;
  Report ended = worker.leaving && clean ? report("worker_exited") : warning("worker_exited");
  ended.about(id).with("phase", std::string(to_string(worker.phase)));
  if (worker.exited) with_status(ended, *worker.exited);
  ended.with_stderr_tail = !worker.leaving || !clean;
  act(std::move(ended));
  // The verdict needs the worker's last lines, so it is released after it.
  if (is_candidate(worker) && !first_start() && !worker.leaving && !fleet_.stop) {
    fail_candidate("a worker of the candidate exited", find(id));
  }
  std::erase_if(fleet_.workers, [&](const Worker& other) { return other.id == id; });
  act(ReleaseWorker{id});
  account(worker);
}

Report& with_totals(Report& report, const DrainTotals& totals) {
  return report.with("served", totals.served)
      .with("handed_off", totals.handed_off)
      .with("closed_idle", totals.closed_idle)
      .with("refused", totals.refused)
      .with("cut", totals.cut)
      .with("cut_at_stop_timeout", totals.cut - totals.cut_overtime - totals.cut_by_kill)
      .with("cut_at_stop_timeout_max", totals.cut_overtime)
      .with("cut_by_kill", totals.cut_by_kill)
      .with("killed", totals.killed);
}

void FleetTurn::close_account(const Retired& retired) {
  Report end =
      retired.totals.lost_nothing() ? report("generation_drained") : warning("generation_drained");
  end.with("generation", retired.id.value).with("workers", retired.workers);
  with_totals(end, retired.totals);
  if (retired.ready_ms) end.with("ready_ms", *retired.ready_ms);
  act(std::move(end.with("drain_ms", millis_between(retired.since, now_))));
  settle_request(retired.request, ReloadOutcome::Drained, retired.successor);
}

// What a worker's end means for its generation.
void FleetTurn::account(const Worker& worker) {
  const auto add_killed = [&](DrainTotals& totals) {
    if (worker.phase != WorkerPhase::Killed) return;
    totals.killed += 1;
    totals.cut += worker.in_flight;
    totals.cut_by_kill += worker.in_flight;
  };
  if (fleet_.stop) add_killed(fleet_.stop->totals);
  for (Retired& retired : fleet_.retired) {
    if (retired.id != worker.generation) continue;
    add_killed(retired.totals);
    if (count(retired.id) > 0) break;
    close_account(retired);
    std::erase_if(fleet_.retired, [&](const Retired& other) { return other.id == retired.id; });
    break;
  }
  if (fleet_.stop) return;
  const bool needless = forget_recycling(worker);
  if (!worker.leaving && !needless && (serves(worker) || is_candidate(worker))) replace(worker);
  advance_candidate();
}

// A vacancy in the serving generation, or in the first one that still starts.
void FleetTurn::replace(const Worker& worker) {
  std::optional<Clock::duration> ready_for;
  if (worker.ready_at) ready_for = now_ - *worker.ready_at;
  // A worker that says it leaves is replaced at once; one that says so as soon as it is ready is a
  // loop and waits like a crash.
  const bool by_itself = worker.leaving && ready_for && *ready_for >= std::chrono::seconds(1);
  const Millis delay = by_itself ? Millis{0} : fleet_.history.died(ready_for);
  fleet_.vacancies.push_back(now_ + delay);
  if (delay > Millis{0}) {
    act(warning("respawn_delayed")
            .with("generation", worker.generation.value)
            .with("delay_ms", static_cast<std::uint64_t>(delay.count())));
  }
}

}  // namespace holdfast::supervisor
