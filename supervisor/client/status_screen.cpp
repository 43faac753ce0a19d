#include "supervisor/client/status_screen.hpp"

#include <algorithm>
#include <vector>

#include "shared/core/json_fields.hpp"
#include "supervisor/client/reload_text.hpp"
#include "supervisor/client/text_table.hpp"

namespace holdfast::supervisor {
namespace {

using Json = nlohmann::json;

std::string head_of(const Json& status) {
  std::string line =
      "holdfast " + printable_text(status, "version") + "  " + printable_text(status, "name") +
      "  pid " + std::to_string(json_count(status, "pid")) + "  up " +
      format_time(json_count(status, "uptime_ms")) + "  " + printable_text(status, "state");
  if (status.contains("serving"))
    line += "  generation " + std::to_string(json_count(status, "serving"));
  if (const std::string label = printable_text(status, "label"); !label.empty())
    line += "  " + label;
  return line + "\n";
}

std::string health_of(const Json& status) {
  const std::string workers = std::to_string(json_count(status, "accepting_workers")) + " of " +
                              format_count(json_count(status, "wanted_workers"), "worker") +
                              " accepting";
  if (!is_degraded(status)) return "health     ok, " + workers + "\n";
  return "health     DEGRADED: " + printable_text(status, "reason") + "\n";
}

std::string listeners_of(const Json& status) {
  std::string lines;
  for (const Json& listener : json_list(status, "listeners")) {
    lines += lines.empty() ? "listeners  " : "           ";
    lines += printable_text(listener, "name") + " " + printable_text(listener, "address");
    if (json_flag(listener, "inherited")) lines += " (inherited)";
    lines += "\n";
  }
  return lines;
}

std::string reloads_of(const Json& status) {
  std::string lines;
  if (const std::string progress = render_progress(status); !progress.empty())
    lines += "reload     " + progress + "\n";
  for (const Json& draining : json_list(status, "draining"))
    lines += "draining   " + render_draining(draining) + "\n";
  const Json& last = json_object(status, "last_reload");
  if (last.empty()) return lines;
  lines += "last       generation " + std::to_string(json_count(last, "generation")) + " " +
           printable_text(last, "verdict") + " at " + printable_text(last, "at").substr(0, 19) +
           "Z";
  if (last.contains("ready_ms")) lines += ", ready in " + format_time(json_count(last, "ready_ms"));
  if (const std::string reason = printable_text(last, "reason"); !reason.empty())
    lines += ": " + reason;
  return lines + "\n";
}

std::vector<std::string> row_of(const Json& worker) {
  const auto number = [&](const char* name) { return std::to_string(json_count(worker, name)); };
  return {number("worker"),
          number("generation"),
          printable_text(worker, "phase"),
          number("pid"),
          format_time(json_count(worker, "uptime_ms")),
          number("connections"),
          number("idle"),
          number("in_flight"),
          std::to_string(static_cast<std::uint64_t>(json_real(worker, "requests_per_second"))),
          number("requests"),
          number("responses_5xx"),
          format_bytes(json_count(worker, "rss_bytes")),
          worker.contains("kill_in_ms") ? format_time(json_count(worker, "kill_in_ms")) : ""};
}

std::string workers_of(const Json& status, std::size_t rows) {
  const Json& workers = json_list(status, "workers");
  std::vector<std::vector<std::string>> table{{"WORKER", "GEN", "PHASE", "PID", "UPTIME", "CONNS",
                                               "IDLE", "BUSY", "REQ/S", "REQUESTS", "5XX", "RSS",
                                               "KILL IN"}};
  const std::size_t shown = rows == 0 ? workers.size() : std::min(workers.size(), rows);
  for (std::size_t i = 0; i < shown; ++i) table.push_back(row_of(workers[i]));
  std::string text = format_table(table);
  if (shown < workers.size())
    text += "and " + format_count(workers.size() - shown, "worker") + " more\n";
  return text;
}

}  // namespace

bool is_degraded(const Json& status) { return printable_text(status, "health") == "degraded"; }

std::string render_status(const Json& status, std::size_t rows) {
  const std::string head =
      head_of(status) + health_of(status) + listeners_of(status) + reloads_of(status) + "\n";
  constexpr std::size_t kTableFrame = 2;  // its head, and how many are not shown
  const auto used = static_cast<std::size_t>(std::ranges::count(head, '\n')) + kTableFrame;
  return head + workers_of(status, rows == 0 ? 0 : std::max(rows, used + 1) - used);
}

std::string render_last_failure(const Json& status) {
  const Json& failure = json_object(status, "last_failure");
  if (failure.empty()) return "no reload has failed since this supervisor began\n";
  return printable_text(failure, "logged_at").substr(0, 19) + "Z " + render_failure(failure);
}

}  // namespace holdfast::supervisor
