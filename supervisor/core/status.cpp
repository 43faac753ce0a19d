#include "supervisor/core/status.hpp"

#include <algorithm>

#include "shared/core/duration.hpp"

namespace holdfast::supervisor {
namespace {

std::uint64_t ms_from(TimePoint from, TimePoint to) {
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, std::chrono::duration_cast<Millis>(to - from).count()));
}

bool is_going(const Worker& worker) {
  return worker.phase == WorkerPhase::Draining || worker.phase == WorkerPhase::Terminating ||
         worker.phase == WorkerPhase::Aborting;
}

// One that was told to accept and has not answered yet holds its listener already; one that is
// asked to pause accepts until it answers.
bool takes_clients(const Fleet& fleet, const Worker& worker) {
  if (worker.exited || worker.leaving) return false;
  const bool candidate = fleet.candidate && worker.generation == fleet.candidate->id;
  if (candidate) return worker.phase == WorkerPhase::Accepting;
  if (worker.generation != fleet.serving) return false;
  return worker.phase == WorkerPhase::Accepting || worker.phase == WorkerPhase::Opening ||
         worker.phase == WorkerPhase::Pausing;
}

ServiceState state_of(const Fleet& fleet) {
  if (fleet.stop) {
    return fleet.stop->phase == StopPhase::LameDuck ? ServiceState::LameDuck
                                                    : ServiceState::Stopping;
  }
  if (!fleet.serving) return ServiceState::Starting;
  return fleet.candidate ? ServiceState::Reloading : ServiceState::Serving;
}

std::string why_degraded(const Fleet& fleet, const Status& status, TimePoint now) {
  if (fleet.stop) return "the service stops";
  if (!fleet.serving) return "the first generation is not accepting yet";
  // A scale in the middle of a reload takes effect at its end.
  const std::uint64_t due =
      fleet.candidate ? std::min<std::uint64_t>(fleet.wanted, fleet.candidate->size) : fleet.wanted;
  if (status.accepting_workers >= due) return {};
  std::string why =
      std::to_string(status.accepting_workers) + " of " + std::to_string(due) + " workers accept";
  const auto next = std::ranges::min_element(fleet.vacancies);
  if (next != fleet.vacancies.end() && *next > now) {
    why += "; " + std::to_string(fleet.history.quick_deaths) +
           " died in a row, the next one starts in " + std::to_string(ms_from(now, *next)) + "ms";
  }
  return why;
}

CandidateStatus candidate_status(const Fleet& fleet, const Candidate& candidate, TimePoint now) {
  const auto ready = std::ranges::count_if(fleet.workers, [&](const Worker& worker) {
    return worker.generation == candidate.id && worker.ready_at && !worker.exited;
  });
  return {candidate.id, std::string(to_string(candidate.phase)), static_cast<std::uint64_t>(ready),
          std::uint64_t{candidate.size}, ms_from(now, candidate.deadline)};
}

WorkerStatus worker_status(const Worker& worker, const FleetCounters& counters,
                           const StatusFacts& facts, TimePoint now) {
  WorkerStatus status;
  status.worker = worker.id;
  status.generation = worker.generation;
  status.phase = to_string(worker.phase);
  status.uptime_ms = ms_from(worker.started_at, now);
  if (is_going(worker) && worker.deadline) status.kill_in_ms = ms_from(now, *worker.deadline);
  if (const auto process = facts.processes.find(worker.id); process != facts.processes.end()) {
    status.pid = process->second.pid;
    status.rss_bytes = process->second.rss_bytes;
  }
  if (const Stats* stats = counters.last(worker.id)) {
    status.connections = stats->connections;
    status.idle = stats->idle;
    status.in_flight = stats->in_flight;
    status.requests = stats->requests;
    status.responses_5xx = stats->responses_5xx;
    status.requests_per_second = counters.requests_per_second(worker.id, now);
  }
  return status;
}

DrainingStatus draining_status(const Retired& retired, const std::vector<WorkerStatus>& workers,
                               TimePoint now) {
  DrainingStatus status;
  status.generation = retired.id;
  status.draining_ms = ms_from(retired.since, now);
  for (const WorkerStatus& worker : workers) {
    if (worker.generation != retired.id) continue;
    ++status.workers;
    status.connections += worker.connections;
    status.in_flight += worker.in_flight;
    if (worker.kill_in_ms)
      status.kill_in_ms = std::max(status.kill_in_ms.value_or(0), *worker.kill_in_ms);
  }
  return status;
}

}  // namespace

std::string_view to_string(ServiceState state) {
  switch (state) {
    case ServiceState::Starting:
      return "starting";
    case ServiceState::Serving:
      return "serving";
    case ServiceState::Reloading:
      return "reloading";
    case ServiceState::LameDuck:
      return "lame_duck";
    case ServiceState::Stopping:
      return "stopping";
  }
  return "unknown";
}

Status make_status(const Fleet& fleet, const FleetCounters& counters, const FleetRecord& record,
                   const StatusFacts& facts, TimePoint now) {
  Status status;
  status.pid = facts.pid;
  status.name = facts.name;
  status.version = facts.version;
  status.label = facts.label;
  status.state = state_of(fleet);
  status.uptime_ms = ms_from(facts.started_at, now);
  status.serving = fleet.serving;
  status.wanted_workers = fleet.wanted;
  status.listeners = facts.listeners;
  if (fleet.candidate) status.candidate = candidate_status(fleet, *fleet.candidate, now);
  const bool full = fleet.retired.size() >= fleet.policy.max_old_generations;
  status.reload_queued = fleet.reload_pending;
  status.reload_waiting = fleet.reload_pending && !fleet.candidate && full;
  for (const Worker& worker : fleet.workers) {
    status.workers.push_back(worker_status(worker, counters, facts, now));
    status.accepting_workers += takes_clients(fleet, worker) ? 1 : 0;
  }
  for (const Retired& retired : fleet.retired)
    status.draining.push_back(draining_status(retired, status.workers, now));
  status.degraded = why_degraded(fleet, status, now);
  status.record = record;
  status.totals = counters.totals();
  status.generations = counters.generations();
  return status;
}

}  // namespace holdfast::supervisor
