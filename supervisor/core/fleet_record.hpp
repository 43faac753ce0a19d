// What has happened so far, for those who ask later: the last verdicts and how often things went
// which way. Learns it from the reports, whose names and fields are a documented schema
// (docs/events.md); pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "shared/core/ids.hpp"
#include "shared/core/json_line.hpp"
#include "supervisor/core/report.hpp"

namespace holdfast::supervisor {

struct LastReload {
  GenerationId generation;
  bool done = false;   // else it failed
  std::string reason;  // of a failure
  WallTime at{};
  std::optional<std::uint64_t> ready_ms = {};
  bool operator==(const LastReload&) const = default;
};

struct RecordCounts {
  std::uint64_t reloads_done = 0;
  std::uint64_t reloads_failed = 0;
  std::uint64_t rolled_back = 0;  // of those that failed: old workers had paused already
  std::uint64_t crashes = 0;      // workers that ended unasked
  std::uint64_t kills = 0;        // workers that got SIGKILL
  std::uint64_t respawns = 0;     // workers started in a generation that already served
  bool operator==(const RecordCounts&) const = default;
};

struct FleetRecord {
  std::optional<LastReload> last_reload;
  std::string last_failure;  // the whole reload_failed event; "" when none failed
  std::string last_drained;  // the whole generation_drained event of the last one that is gone
  RecordCounts counts;
  std::optional<GenerationId> serving;

  // `line` is what was logged of it: with pid and the last lines of stderr.
  void note(const Report& report, const std::string& line, WallTime at);
};

}  // namespace holdfast::supervisor
