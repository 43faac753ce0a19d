// Workers that live but do not work: heartbeats find those that are stuck; those that have served
// enough are replaced, one at a time, and leave only when their successor accepts.
#include <algorithm>

#include "shared/core/duration.hpp"
#include "supervisor/core/fleet_turn.hpp"

namespace holdfast::supervisor {
namespace {

bool has_a_pulse(const Worker& worker) {
  return !worker.exited && !worker.leaving && !worker.channel_closed &&
         (worker.phase == WorkerPhase::Accepting || worker.phase == WorkerPhase::Pausing ||
          worker.phase == WorkerPhase::Paused);
}

// From 0.9 to 1.1, the same for a worker's whole life: siblings that began together shall not end
// together.
double jitter(WorkerId id) {
  std::uint64_t x = id.value + 0x9e3779b97f4a7c15U;  // splitmix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  x ^= x >> 31;
  return 0.9 + 0.2 * static_cast<double>(x % 1'000) / 1'000.0;
}

}  // namespace

void FleetTurn::ping(Worker& worker) {
  ++worker.pings;
  act(PingWorker{worker.id});
}

// By the rules that its generation was started under; 0: nobody asks it.
Millis FleetTurn::heartbeat_of(const Worker& worker) const {
  if (!has_a_pulse(worker)) return Millis{0};
  const bool candidate = is_candidate(worker);
  return (candidate ? fleet_.candidate->policy : fleet_.policy).heartbeat_timeout;
}

void FleetTurn::keep_heartbeats() {
  std::optional<TimePoint> next;
  for (const Worker& worker : fleet_.workers) {
    const Millis timeout = heartbeat_of(worker);
    if (timeout == Millis{0}) continue;
    next = next ? std::min(*next, now_ + timeout / 3) : now_ + timeout / 3;
  }
  // A commit may have brought a shorter one.
  if (!next || !fleet_.heartbeat_at || *next < *fleet_.heartbeat_at) fleet_.heartbeat_at = next;
  const bool measured = fleet_.policy.max_rss > 0 && fleet_.serving && !fleet_.stop;
  if (!measured) {
    fleet_.measure_at.reset();
  } else if (!fleet_.measure_at) {
    fleet_.measure_at = now_ + kMeasureEvery;
  }
}

void FleetTurn::beat() {
  if (fleet_.measure_at && *fleet_.measure_at <= now_) {
    fleet_.measure_at.reset();  // keep_heartbeats() sets it anew
    act(MeasureMemory{});
  }
  if (!fleet_.heartbeat_at || *fleet_.heartbeat_at > now_) return;
  fleet_.heartbeat_at.reset();  // likewise
  for (Worker& worker : fleet_.workers) {
    const Millis timeout = heartbeat_of(worker);
    if (timeout == Millis{0} || worker.pong_by) continue;
    worker.pong_by = now_ + timeout;
    ping(worker);
  }
}

void FleetTurn::strike_silent(Worker& worker) {
  worker.pong_by.reset();
  if (!has_a_pulse(worker)) return;
  const std::string reason = "no heartbeat within " + format_duration(heartbeat_of(worker));
  const WorkerId id = worker.id;
  const bool fails = is_candidate(worker) && !first_start();
  abort(worker, reason);
  if (fails) fail_candidate(reason, find(id));
}

// SIGABRT, so that a core shows where it hangs; SIGKILL when that does not end it.
void FleetTurn::abort(Worker& worker, const std::string& reason) {
  act(failure("heartbeat_missed")
          .about(worker.id)
          .with("reason", reason)
          .with("connections", worker.connections)
          .with("in_flight", worker.in_flight));
  worker.pong_by.reset();
  worker.phase = WorkerPhase::Aborting;
  worker.deadline = now_ + kAbortTakesEffect;
  act(AbortWorker{worker.id});
}

void FleetTurn::on(const WorkerGrew& event) {
  if (Worker* worker = find_alive(event.worker)) worker->rss = event.rss;
}

bool FleetTurn::may_recycle() const {
  if (fleet_.stop || fleet_.candidate || fleet_.reload_pending || !fleet_.serving) return false;
  if (fleet_.recycling || !fleet_.vacancies.empty()) return false;
  if (fleet_.recycle_not_before && *fleet_.recycle_not_before > now_) return false;
  return std::ranges::none_of(fleet_.workers, [&](const Worker& worker) {
    return serves(worker) && !worker.leaving && worker.phase != WorkerPhase::Accepting;
  });
}

TimePoint FleetTurn::retires_at(const Worker& worker) const {
  const auto age =
      std::chrono::duration<double, std::milli>(fleet_.policy.max_age) * jitter(worker.id);
  return worker.ready_at.value_or(worker.started_at) +
         std::chrono::duration_cast<Clock::duration>(age);
}

std::string FleetTurn::has_served_enough(const Worker& worker) const {
  const FleetPolicy& policy = fleet_.policy;
  const auto over = [&](std::uint64_t value, std::uint64_t limit) {
    return limit > 0 &&
           static_cast<double>(value) >= static_cast<double>(limit) * jitter(worker.id);
  };
  if (over(worker.responses.requests, policy.max_requests)) return "max_requests";
  if (over(worker.rss, policy.max_rss)) return "max_rss";
  if (policy.max_age > Millis{0} && retires_at(worker) <= now_) return "max_age";
  return {};
}

void FleetTurn::recycle() {
  if (!may_recycle()) return;
  for (const Worker& worker : fleet_.workers) {
    if (!serves(worker) || worker.leaving || worker.exited) continue;
    const std::string reason = has_served_enough(worker);
    if (reason.empty()) continue;
    fleet_.recycling = Recycling{worker.id, fleet_.next_worker, reason};
    return start_worker(*fleet_.serving);
  }
}

// The old one may go when its successor accepts, and whoever died meanwhile is replaced.
void FleetTurn::retire_recycled() {
  if (!fleet_.recycling) return;
  const auto accepting =
      static_cast<std::size_t>(std::ranges::count_if(fleet_.workers, [&](const Worker& worker) {
        return serves(worker) && !worker.leaving && worker.phase == WorkerPhase::Accepting;
      }));
  if (accepting <= fleet_.wanted) return;
  const Recycling done = *fleet_.recycling;
  fleet_.recycling.reset();
  Worker* old = find_alive(done.old);
  if (old == nullptr || old->leaving || !serves(*old)) return;
  act(report("worker_recycled")
          .about(old->id)
          .with("reason", done.reason)
          .with("requests", old->responses.requests)
          .with("rss", old->rss)
          .with("age_ms", millis_between(old->started_at, now_))
          .with("successor", done.fresh.value));
  drain(*old, DrainReason::Recycle);
}

// Either of the two is gone. True: the successor that never got ready, whom nobody must replace.
bool FleetTurn::forget_recycling(const Worker& gone) {
  if (!fleet_.recycling) return false;
  if (gone.id != fleet_.recycling->old && gone.id != fleet_.recycling->fresh) return false;
  const bool needless = gone.id == fleet_.recycling->fresh;
  fleet_.recycling.reset();
  if (needless) fleet_.recycle_not_before = now_ + kLongestRespawnDelay;
  return needless;
}

}  // namespace holdfast::supervisor
