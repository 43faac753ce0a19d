// The decision: which workers exist, which generation serves, and what happens next. A pure value;
// the supervisor owns one and replaces it at each event. `now` is an argument, nothing here fails,
// and every state that waits has a deadline in `wake_at`. docs/states.md has the table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "shared/core/exit_code.hpp"
#include "shared/core/ids.hpp"
#include "shared/core/time.hpp"
#include "supervisor/core/error_window.hpp"
#include "supervisor/core/fleet_action.hpp"
#include "supervisor/core/fleet_event.hpp"
#include "supervisor/core/fleet_policy.hpp"
#include "supervisor/core/respawn_policy.hpp"

namespace holdfast::supervisor {

enum class WorkerPhase : std::uint8_t {
  Starting,     // a process; says nothing useful yet
  Ready,        // prepared, holds its listeners, accepts nothing
  Opening,      // told to accept
  Accepting,    //
  Pausing,      // told to pause
  Paused,       //
  Draining,     // told to drain, or began by itself
  Terminating,  // got SIGTERM, because it never accepted anything
  Aborting,     // got SIGABRT, because it answers no heartbeat
  Killed        // got SIGKILL
};

std::string_view to_string(WorkerPhase phase);

struct Worker {
  WorkerId id;
  GenerationId generation;
  WorkerPhase phase = WorkerPhase::Starting;
  TimePoint started_at{};
  std::optional<TimePoint> ready_at = {};
  std::optional<TimePoint> deadline = {};  // of its phase
  std::optional<TimePoint> end_by = {};    // one of exit and EOF has come, the other is awaited
  std::optional<ExitStatus> exited = {};
  bool channel_closed = false;
  bool welcomed = false;
  std::optional<ProtocolRange> handoff = {};  // which records of connections it understands
  bool leaving = false;          // its end is no crash: it was asked to go, or said that it goes
  bool takes_the_queue = false;  // in a full stop: accepts until it is told to close its listeners
  bool listeners_closed = false;
  bool hands_off = false;         // Draining: it gives its connections to those that serve
  bool condemned = false;         // is killed as soon as it has said what that will cut
  std::uint64_t connections = 0;  // by its last stats
  std::uint64_t in_flight = 0;
  ResponseCount responses = {};
  std::uint64_t rss = 0;                  // when it was last measured
  std::uint32_t pings = 0;                // not answered yet
  std::optional<TimePoint> pong_by = {};  // a heartbeat is awaited
  bool accepts_last = false;  // Draining: still accepts from listeners that only its generation has
  bool operator==(const Worker&) const = default;
};

enum class ReloadPhase : std::uint8_t {
  Preparing,
  Starting,
  Opening,
  Canary,     // a few accept beside the old ones, and are watched
  Pausing,    // all accept; the old ones are told to pause
  Probation,  // all accept alone, and are watched
  Judging     // the last numbers are awaited
};

std::string_view to_string(ReloadPhase phase);

bool can_accept(const Worker& worker);  // now, or as soon as it is told to

// The generation that is being brought up; the first one is a candidate too, with none to replace.
struct Candidate {
  GenerationId id;
  ReloadPhase phase = ReloadPhase::Preparing;
  std::size_t workers = 1;  // that must accept before the next phase
  TimePoint began_at{};
  TimePoint deadline{};
  std::uint64_t request = 0;              // who waits for it
  FleetPolicy policy = {};                // its own, from Starting on
  std::size_t size = 1;                   // when it is complete
  std::optional<TimePoint> look_at = {};  // watched: when the numbers are asked for again
  std::optional<std::uint64_t> ready_ms = {};
  std::vector<std::string> gone_listeners = {};
  bool operator==(const Candidate&) const = default;
};

struct DrainTotals {
  std::uint64_t served = 0;
  std::uint64_t handed_off = 0;
  std::uint64_t closed_idle = 0;
  std::uint64_t refused = 0;
  std::uint64_t cut = 0;           // of it:
  std::uint64_t cut_overtime = 0;  // by a worker at stop_timeout_max
  std::uint64_t cut_by_kill = 0;   // in flight in workers that were killed, by their last numbers
  std::uint64_t killed = 0;        // workers
  bool lost_nothing() const { return cut + killed == 0; }
  bool operator==(const DrainTotals&) const = default;
};

// A generation that serves no more, until its last worker is gone.
struct Retired {
  GenerationId id;
  TimePoint since{};
  std::uint64_t workers = 0;
  DrainTotals totals;
  std::optional<std::uint64_t> ready_ms = {};  // of the reload that retired it
  std::uint64_t request = 0;                   // who waits until it is drained
  std::optional<GenerationId> successor = {};
  bool operator==(const Retired&) const = default;
};

enum class StopPhase : std::uint8_t { LameDuck, EmptyingQueues, ClosingListeners, Leaving };

struct Stop {
  StopPhase phase = StopPhase::EmptyingQueues;
  ExitCode code = ExitCode::Ok;
  std::string cause;
  bool requested = false;  // by the operator; else the fleet stops because it cannot go on
  bool at_once = false;    // a second request
  TimePoint began_at{};
  TimePoint drain_at{};  // when the lame duck was over
  std::optional<TimePoint> deadline = {};
  std::optional<TimePoint> check_at = {};
  std::uint64_t queued = 0;
  std::uint64_t half_open = 0;
  DrainTotals totals;  // since the stop began
  bool operator==(const Stop&) const = default;
};

// Listeners that a reload took away: nobody new may come, who is queued is served.
struct Closing {
  GenerationId only_of;
  bool told = false;  // the workers were, to close them
  TimePoint deadline{};
  std::optional<TimePoint> check_at = {};
  std::uint64_t queued = 0;
  std::uint64_t half_open = 0;
  bool operator==(const Closing&) const = default;
};

// A worker that has served enough, and the one that is to take its place.
struct Recycling {
  WorkerId old;
  WorkerId fresh;
  std::string reason;
  bool operator==(const Recycling&) const = default;
};

struct Fleet {
  FleetPolicy policy;           // of the serving generation
  std::size_t wanted = 1;       // workers of the serving generation; TTIN and TTOU change it
  std::vector<Worker> workers;  // every live process, oldest first
  std::optional<GenerationId> serving;
  std::optional<Candidate> candidate;
  std::vector<Retired> retired;
  std::optional<GenerationId> rolling_back;  // failed; its predecessor is accepting again soon
  bool reload_pending = false;               // any number of HUPs
  std::uint64_t pending_request = 0;         // who waits for it: the last one that asked
  bool wait_reported = false;
  RespawnHistory history;
  std::vector<TimePoint> vacancies;  // when replacements are due
  ErrorWindow recent;                // of the serving generation
  std::vector<Closing> closing;
  std::optional<Recycling> recycling;
  std::optional<TimePoint> recycle_not_before;  // a successor failed
  std::optional<TimePoint> heartbeat_at;
  std::optional<TimePoint> measure_at;
  std::optional<Stop> stop;
  GenerationId next_generation{1};
  WorkerId next_worker{1};
  std::optional<TimePoint> wake_at;
  bool finished = false;  // Exit was said
  bool operator==(const Fleet&) const = default;
};

Fleet make_fleet(const FleetPolicy& policy);

struct FleetStep {
  Fleet next;
  std::vector<FleetAction> actions;
};

FleetStep step(Fleet fleet, const FleetEvent& event, TimePoint now);

}  // namespace holdfast::supervisor
