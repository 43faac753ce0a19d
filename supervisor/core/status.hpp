// What `holdfast status` knows, as data, and its JSON (docs/status.md, tests/golden/status): a pure
// function of the fleet and of the facts that only io can find.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/core/control_message.hpp"
#include "supervisor/core/fleet.hpp"
#include "supervisor/core/fleet_counters.hpp"
#include "supervisor/core/fleet_record.hpp"

namespace holdfast::supervisor {

// What the kernel says of a worker.
struct ProcessFacts {
  int pid = 0;
  std::uint64_t rss_bytes = 0;
};

struct StatusFacts {
  int pid = 0;
  std::string name;
  std::string version;
  std::string label;  // of the generation that serves; "" when none was given
  TimePoint started_at{};
  std::vector<ListenerInfo> listeners;
  std::map<WorkerId, ProcessFacts> processes;
};

enum class ServiceState : std::uint8_t { Starting, Serving, Reloading, LameDuck, Stopping };

std::string_view to_string(ServiceState state);

struct CandidateStatus {
  GenerationId generation;
  std::string phase;
  std::uint64_t ready = 0;  // of its workers
  std::uint64_t workers = 0;
  std::uint64_t deadline_in_ms = 0;
  bool operator==(const CandidateStatus&) const = default;
};

// A generation that serves no more.
struct DrainingStatus {
  GenerationId generation;
  std::uint64_t workers = 0;
  std::uint64_t connections = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t draining_ms = 0;
  std::optional<std::uint64_t> kill_in_ms = {};  // its last worker's
  bool operator==(const DrainingStatus&) const = default;
};

struct WorkerStatus {
  WorkerId worker;
  GenerationId generation;
  int pid = 0;  // 0: its process does not run
  std::string phase;
  std::uint64_t uptime_ms = 0;
  std::uint64_t connections = 0;
  std::uint64_t idle = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t requests = 0;
  std::uint64_t responses_5xx = 0;
  double requests_per_second = 0;
  std::uint64_t rss_bytes = 0;
  std::optional<std::uint64_t> kill_in_ms = {};  // while it is told to go
  bool operator==(const WorkerStatus&) const = default;
};

struct Status {
  int pid = 0;
  std::string name;
  std::string version;
  std::string label;
  ServiceState state = ServiceState::Starting;
  std::string degraded;  // why; "" when all is well
  std::uint64_t uptime_ms = 0;
  std::optional<GenerationId> serving;
  std::uint64_t wanted_workers = 0;
  std::uint64_t accepting_workers = 0;
  std::optional<CandidateStatus> candidate;
  bool reload_queued = false;   // begins when the one that runs is over
  bool reload_waiting = false;  // begins when an old generation is gone
  std::vector<DrainingStatus> draining;
  std::vector<WorkerStatus> workers;
  std::vector<ListenerInfo> listeners;
  FleetRecord record;
  Traffic totals;
  std::vector<GenerationTraffic> generations;
};

Status make_status(const Fleet& fleet, const FleetCounters& counters, const FleetRecord& record,
                   const StatusFacts& facts, TimePoint now);

// One JSON object without a newline. Bytes that are not UTF-8 are replaced.
std::string to_json(const Status& status);

}  // namespace holdfast::supervisor
