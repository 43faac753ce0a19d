#include "supervisor/core/fleet.hpp"

#include <algorithm>

#include "shared/core/duration.hpp"
#include "supervisor/core/fleet_turn.hpp"

namespace holdfast::supervisor {

std::string_view to_string(WorkerPhase phase) {
  switch (phase) {
    case WorkerPhase::Starting:
      return "starting";
    case WorkerPhase::Ready:
      return "ready";
    case WorkerPhase::Opening:
      return "opening";
    case WorkerPhase::Accepting:
      return "accepting";
    case WorkerPhase::Pausing:
      return "pausing";
    case WorkerPhase::Paused:
      return "paused";
    case WorkerPhase::Draining:
      return "draining";
    case WorkerPhase::Terminating:
      return "terminating";
    case WorkerPhase::Aborting:
      return "aborting";
    case WorkerPhase::Killed:
      return "killed";
  }
  return "unknown";
}

std::string_view to_string(ReloadPhase phase) {
  switch (phase) {
    case ReloadPhase::Preparing:
      return "preparing";
    case ReloadPhase::Starting:
      return "starting";
    case ReloadPhase::Opening:
      return "opening";
    case ReloadPhase::Canary:
      return "canary";
    case ReloadPhase::Pausing:
      return "pausing";
    case ReloadPhase::Probation:
      return "probation";
    case ReloadPhase::Judging:
      return "judging";
  }
  return "unknown";
}

Fleet make_fleet(const FleetPolicy& policy) {
  Fleet fleet;
  fleet.policy = policy;
  fleet.wanted = std::clamp<std::size_t>(policy.workers, 1, kMaxWorkers);
  return fleet;
}

FleetStep step(Fleet fleet, const FleetEvent& event, TimePoint now) {
  if (fleet.finished) return {std::move(fleet), {}};
  FleetTurn turn(fleet, now);
  std::visit([&](const auto& happened) { turn.on(happened); }, event);
  turn.settle();
  auto actions = turn.take_actions();
  return {std::move(fleet), std::move(actions)};
}

Worker* FleetTurn::find(WorkerId id) {
  const auto found = std::ranges::find(fleet_.workers, id, &Worker::id);
  return found == fleet_.workers.end() ? nullptr : &*found;
}

Worker* FleetTurn::find_alive(WorkerId id) {
  Worker* worker = find(id);
  return worker != nullptr && !worker->exited ? worker : nullptr;
}

bool FleetTurn::serves(const Worker& worker) const { return worker.generation == fleet_.serving; }

bool FleetTurn::is_candidate(const Worker& worker) const {
  return fleet_.candidate && worker.generation == fleet_.candidate->id;
}

std::size_t FleetTurn::count(GenerationId generation) const {
  return static_cast<std::size_t>(
      std::ranges::count(fleet_.workers, generation, &Worker::generation));
}

Report& with_status(Report& report, const ExitStatus& status) {
  if (status.oom_killed) report.with("oom_killed", true);
  if (status.signal) return report.with("signal", std::int64_t{*status.signal});
  return report.with("exit_code", std::int64_t{status.code});
}

std::uint64_t millis_between(TimePoint from, TimePoint to) {
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, std::chrono::duration_cast<Millis>(to - from).count()));
}

// What follows from any state, in this order: a stop overrides all else, sizes are matched before
// vacancies are filled, and a reload opens last, over a generation that is complete again.
void FleetTurn::settle() {
  give_up_if_hopeless();
  advance_closing();
  if (fleet_.stop) {
    advance_stop();
  } else {
    announce_rollback(false);
    retire_recycled();
    match_size();
    fill_vacancies();
    open_pending_reload();
    recycle();
  }
  keep_heartbeats();
  if (!fleet_.finished) arm();
}

// The rollback is complete when the predecessor accepts again, not when it was told to.
void FleetTurn::announce_rollback(bool superseded) {
  if (!fleet_.rolling_back) return;
  const bool resuming = std::ranges::any_of(fleet_.workers, [&](const Worker& worker) {
    return serves(worker) && worker.phase == WorkerPhase::Opening;
  });
  if (resuming && !superseded) return;
  act(report("rolled_back")
          .with("generation", fleet_.rolling_back->value)
          .with("serving", fleet_.serving->value));
  fleet_.rolling_back.reset();
}

// Only when nobody serves: a crash loop beside workers that serve is an alarm, not an outage. And
// not during a reload, which may be the cure.
void FleetTurn::give_up_if_hopeless() {
  if (fleet_.stop || !fleet_.history.hopeless(fleet_.policy.give_up)) return;
  if (fleet_.serving && (fleet_.candidate || fleet_.reload_pending)) return;
  const bool somebody_serves = std::ranges::any_of(fleet_.workers, [&](const Worker& worker) {
    return (serves(worker) || is_candidate(worker)) && !worker.leaving &&
           (worker.phase == WorkerPhase::Opening || worker.phase == WorkerPhase::Accepting);
  });
  if (somebody_serves) return;
  const std::string deaths = std::to_string(fleet_.history.deaths_before_ready);
  act(failure("gave_up").with("deaths_before_ready",
                              std::uint64_t{fleet_.history.deaths_before_ready}));
  begin_stop(ExitCode::CrashLoop,
             "cannot keep workers running: " + deaths + " in a row died before they were ready");
}

// TTIN and TTOU during a reload wait for its end: the candidate's size is part of what it proves.
void FleetTurn::match_size() {
  if (!fleet_.serving || fleet_.candidate) return;
  const auto present = static_cast<std::size_t>(std::ranges::count_if(
      fleet_.workers, [&](const Worker& worker) { return serves(worker) && !worker.leaving; }));
  std::size_t size = present + fleet_.vacancies.size();
  const std::size_t wanted = fleet_.wanted + (fleet_.recycling ? 1 : 0);
  for (; size < wanted; ++size) fleet_.vacancies.push_back(now_);
  for (; size > wanted; --size) scale_down();
}

void FleetTurn::fill_vacancies() {
  // A worker born during the pause could not accept before the verdict anyway.
  if (old_paused() || (!fleet_.serving && !fleet_.candidate)) return;
  const GenerationId generation = fleet_.serving ? *fleet_.serving : fleet_.candidate->id;
  const auto due =
      std::ranges::count_if(fleet_.vacancies, [&](TimePoint when) { return when <= now_; });
  std::erase_if(fleet_.vacancies, [&](TimePoint when) { return when <= now_; });
  for (auto i = due; i > 0; --i) start_worker(generation);
}

void FleetTurn::open_pending_reload() {
  if (!fleet_.reload_pending || !fleet_.serving || fleet_.candidate) return;
  if (fleet_.retired.size() >= fleet_.policy.max_old_generations) {
    if (!std::exchange(fleet_.wait_reported, true)) {
      act(warning("reload_waiting")
              .with("old_generations", std::uint64_t{fleet_.retired.size()})
              .with("max_old_generations", std::uint64_t{fleet_.policy.max_old_generations}));
    }
    return;
  }
  fleet_.reload_pending = false;
  fleet_.wait_reported = false;
  announce_rollback(true);
  open_candidate();
}

void FleetTurn::arm() {
  std::optional<TimePoint> next;
  const auto consider = [&](std::optional<TimePoint> when) {
    if (when && (!next || *when < *next)) next = when;
  };
  const bool ages = fleet_.policy.max_age > Millis{0} && may_recycle();
  for (const Worker& worker : fleet_.workers) {
    consider(worker.deadline);
    consider(worker.end_by);
    consider(worker.pong_by);
    if (ages && serves(worker) && !worker.leaving && !worker.exited) consider(retires_at(worker));
  }
  consider(fleet_.heartbeat_at);
  consider(fleet_.measure_at);
  for (const Closing& closing : fleet_.closing) {
    consider(closing.deadline);
    consider(closing.check_at);
  }
  if (fleet_.recycle_not_before && *fleet_.recycle_not_before > now_)
    consider(fleet_.recycle_not_before);
  // During the pause no vacancy is filled; the candidate's own deadline comes first.
  if (!old_paused()) {
    for (const TimePoint due : fleet_.vacancies) consider(due);
  }
  if (fleet_.candidate) {
    consider(fleet_.candidate->deadline);
    consider(fleet_.candidate->look_at);
  }
  if (fleet_.stop) {
    consider(fleet_.stop->deadline);
    consider(fleet_.stop->check_at);
  }
  if (next == fleet_.wake_at) return;
  fleet_.wake_at = next;
  act(WakeAt{next});
}

}  // namespace holdfast::supervisor
