#include "supervisor/client/reload_text.hpp"

#include "shared/core/json_fields.hpp"
#include "supervisor/client/text_table.hpp"

namespace holdfast::supervisor {
namespace {

using Json = nlohmann::json;

std::string generation_of(const Json& json) {
  return "generation " + std::to_string(json_count(json, "generation"));
}

std::string end_of_worker(const Json& event) {
  if (event.contains("signal")) return ", signal " + std::to_string(json_count(event, "signal"));
  if (event.contains("exit_code"))
    return ", exit code " + std::to_string(json_count(event, "exit_code"));
  return {};
}

std::string last_lines(const Json& event) {
  std::string lines;
  for (const Json& line : json_list(event, "stderr_tail")) {
    if (line.is_string()) lines += "  | " + printable(line.get_ref<const std::string&>()) + "\n";
  }
  return lines;
}

std::string drained_text(const Json& verdict) {
  const Json& event = json_object(verdict, "event");
  std::string text = generation_of(verdict) + " serves; " + generation_of(event) + " has drained";
  if (event.contains("drain_ms")) text += " in " + format_time(json_count(event, "drain_ms"));
  text += ": " + std::to_string(json_count(event, "served")) + " served, " +
          std::to_string(json_count(event, "handed_off")) + " handed off, " +
          std::to_string(json_count(event, "cut")) + " cut";
  return text + "\n";
}

}  // namespace

std::string render_progress(const Json& status) {
  std::string text;
  const Json& candidate = json_object(status, "candidate");
  if (!candidate.empty()) {
    text = generation_of(candidate) + " " + printable_text(candidate, "phase") + ", " +
           std::to_string(json_count(candidate, "ready")) + " of " +
           format_count(json_count(candidate, "workers"), "worker") + " ready, " +
           format_time(json_count(candidate, "deadline_in_ms")) + " left";
  }
  if (json_flag(status, "reload_waiting")) {
    text += text.empty() ? "" : "; ";
    text += "waits for an old generation to drain";
  } else if (json_flag(status, "reload_queued")) {
    text += text.empty() ? "one is queued" : "; another is queued";
  }
  return text;
}

std::string render_draining(const Json& draining) {
  std::string text = generation_of(draining) + ": " +
                     format_count(json_count(draining, "workers"), "worker") + ", " +
                     format_count(json_count(draining, "connections"), "connection") + ", " +
                     std::to_string(json_count(draining, "in_flight")) + " in flight";
  if (draining.contains("kill_in_ms"))
    text += ", killed in " + format_time(json_count(draining, "kill_in_ms"));
  return text;
}

std::string render_failure(const Json& event) {
  const std::string phase = printable_text(event, "phase");
  return generation_of(event) + " failed" + (phase.empty() ? "" : " while " + phase) + ": " +
         printable_text(event, "reason") + end_of_worker(event) + "\n" + last_lines(event);
}

std::string render_verdict(const Json& verdict) {
  const std::string word = printable_text(verdict, "verdict");
  if (word == "drained") return drained_text(verdict);
  if (word == "committed") {
    return generation_of(verdict) + " serves, ready in " +
           format_time(json_count(verdict, "ready_ms")) + "\n";
  }
  const Json& event = json_object(verdict, "event");
  const std::string reason = printable_text(verdict, "reason");
  // "cannot run ./service: ..." says itself what cannot be done.
  std::string text =
      (reason.starts_with("cannot ") ? "" : "cannot reload: ") + reason + end_of_worker(event);
  if (word == "failed" || word == "refused") text += "; the old generation serves on";
  return text + "\n" + last_lines(event);
}

}  // namespace holdfast::supervisor
