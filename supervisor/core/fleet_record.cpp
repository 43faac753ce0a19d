#include "supervisor/core/fleet_record.hpp"

#include <algorithm>

namespace holdfast::supervisor {
namespace {

const FieldValue* find_field(const Report& report, std::string_view name) {
  const auto found =
      std::ranges::find_if(report.fields, [&](const auto& field) { return field.first == name; });
  return found == report.fields.end() ? nullptr : &found->second;
}

std::optional<std::uint64_t> number_of(const Report& report, std::string_view name) {
  const FieldValue* value = find_field(report, name);
  const auto* number = value != nullptr ? std::get_if<std::uint64_t>(value) : nullptr;
  return number != nullptr ? std::optional(*number) : std::nullopt;
}

std::string text_of(const Report& report, std::string_view name) {
  const FieldValue* value = find_field(report, name);
  const auto* text = value != nullptr ? std::get_if<std::string>(value) : nullptr;
  return text != nullptr ? *text : std::string();
}

// A worker that was told to go, or killed, did not end by itself.
bool unasked(const Report& report) {
  const std::string phase = text_of(report, "phase");
  return report.severity == Severity::Warning && phase != "draining" && phase != "terminating" &&
         phase != "aborting" && phase != "killed";
}

}  // namespace

void FleetRecord::note(const Report& report, const std::string& line, WallTime at) {
  const GenerationId generation{number_of(report, "generation").value_or(0)};
  if (report.event == "serving") {
    serving = generation;
  } else if (report.event == "reload_done") {
    serving = generation;
    ++counts.reloads_done;
    last_reload = LastReload{generation, true, {}, at, number_of(report, "ready_ms")};
  } else if (report.event == "reload_failed") {
    ++counts.reloads_failed;
    last_reload = LastReload{generation, false, text_of(report, "reason"), at, {}};
    last_failure = line;
  } else if (report.event == "generation_drained") {
    last_drained = line;
  } else if (report.event == "rolled_back") {
    ++counts.rolled_back;
  } else if (report.event == "worker_exited") {
    counts.crashes += unasked(report) ? 1 : 0;
  } else if (report.event == "worker_killed") {
    ++counts.kills;
  } else if (report.event == "worker_started") {
    counts.respawns += serving && generation == *serving ? 1 : 0;
  }
}

}  // namespace holdfast::supervisor
