// The status page: plain HTML that a browser without scripts, a narrow screen, a screen reader and
// a dark room can all read. It shows one moment; reading on means loading it again.
#include <algorithm>
#include <cmath>

#include "shared/core/json_fields.hpp"
#include "worker/metrics/html.hpp"
#include "worker/metrics/pages.hpp"

namespace holdfast::metrics {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kHtml = "text/html; charset=utf-8";

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--line:#767676;--good:#0a6b2d;--bad:#b00020}
@media(prefers-color-scheme:dark){:root{--good:#7ddc9a;--bad:#ff9aa8}}
body{font:1rem/1.5 system-ui,sans-serif;margin:1rem auto;max-width:70rem;padding:0 1rem}
h1{font-size:1.4rem}.good{color:var(--good)}.bad{color:var(--bad)}
.wide{overflow-x:auto}table{border-collapse:collapse;margin:1.5rem 0;width:100%}
caption{text-align:left;font-weight:600;padding:.25rem 0}
th,td{text-align:left;padding:.25rem .75rem .25rem 0;border-bottom:1px solid var(--line);
font-variant-numeric:tabular-nums}
)";

std::string number(std::uint64_t count) { return std::to_string(count); }

std::string number_in(const Json& object, const char* key) {
  return number(json_count(object, key));
}

std::string rate_in(const Json& object, const char* key) {
  const Json& value = json_member(object, key);
  const double rate = value.is_number() ? value.get<double>() : 0;
  const auto tenths = static_cast<std::uint64_t>(std::lround(std::clamp(rate, 0.0, 1e9) * 10));
  return number(tenths / 10) + '.' + number(tenths % 10);
}

std::string workers_table(const Json& status) {
  HtmlTable table("Workers", {"Worker", "Generation", "PID", "Phase", "Up", "Connections", "Idle",
                              "In flight", "Requests", "Requests/s", "5xx", "Memory", "Killed in"});
  for (const Json& each : json_member(status, "workers")) {
    const bool doomed = each.is_object() && each.contains("kill_in_ms");
    table.row({number_in(each, "worker"), number_in(each, "generation"), number_in(each, "pid"),
               json_text(each, "phase"), span_text(json_count(each, "uptime_ms")),
               number_in(each, "connections"), number_in(each, "idle"),
               number_in(each, "in_flight"), number_in(each, "requests"),
               rate_in(each, "requests_per_second"), number_in(each, "responses_5xx"),
               mebibytes_text(json_count(each, "rss_bytes")),
               doomed ? span_text(json_count(each, "kill_in_ms")) : "-"});
  }
  return table.text();
}

std::string listeners_table(const Json& status) {
  HtmlTable table("Listeners", {"Name", "Address", "Accepted", "1xx", "2xx", "3xx", "4xx", "5xx"});
  const Json& counted = json_member(json_member(status, "counters"), "listeners");
  for (const Json& each : json_member(status, "listeners")) {
    const std::string name = json_text(each, "name");
    Json counts;
    for (const Json& candidate : counted) {
      if (json_text(candidate, "name") == name) counts = candidate;
    }
    std::vector<std::string> row{name, json_text(each, "address"), number_in(counts, "accepted")};
    for (const std::uint64_t responses : json_counts(counts, "responses", 5))
      row.push_back(number(responses));
    table.row(row);
  }
  return table.text();
}

std::string reloads_table(const Json& status) {
  HtmlTable table("Reloads", {"What", "How"});
  if (const Json& candidate = json_member(status, "candidate"); candidate.is_object()) {
    table.row({"Candidate", "generation " + number_in(candidate, "generation") + ", " +
                                json_text(candidate, "phase") + ", " +
                                number_in(candidate, "ready") + " of " +
                                number_in(candidate, "workers") + " workers ready"});
  }
  for (const Json& each : json_member(status, "draining")) {
    table.row({"Draining", "generation " + number_in(each, "generation") + ", " +
                               number_in(each, "connections") + " connections, " +
                               number_in(each, "in_flight") + " requests in flight, for " +
                               span_text(json_count(each, "draining_ms"))});
  }
  if (const Json& last = json_member(status, "last_reload"); last.is_object()) {
    const std::string reason = json_text(last, "reason");
    table.row({"Last reload", "generation " + number_in(last, "generation") + ", " +
                                  json_text(last, "verdict") + " at " + json_text(last, "at") +
                                  (reason.empty() ? "" : ": " + reason)});
  }
  const Json& counters = json_member(status, "counters");
  table.row({"Since the start", number_in(counters, "reloads_done") + " committed, " +
                                    number_in(counters, "reloads_failed") + " failed; " +
                                    number_in(counters, "crashes") + " workers crashed"});
  return table.text();
}

std::string summary(const Json& status) {
  const bool degraded = json_text(status, "health") == "degraded";
  std::string text = "<p>State: <strong class=\"";
  text += degraded ? "bad" : "good";
  text += "\">" + escaped(json_text(status, "state"));
  if (degraded) text += ", degraded: " + escaped(json_text(status, "reason"));
  text += "</strong></p>\n<p>";
  if (json_member(status, "serving").is_number())
    text += "Generation " + number_in(status, "serving") + " serves";
  else
    text += "No generation serves yet";
  if (const std::string label = json_text(status, "label"); !label.empty())
    text += " (" + escaped(label) + ")";
  text += "; " + number_in(status, "accepting_workers") + " of " +
          number_in(status, "wanted_workers") + " workers accept. The supervisor, process " +
          number_in(status, "pid") + ", version " + escaped(json_text(status, "version")) +
          ", is up " + span_text(json_count(status, "uptime_ms")) + ".</p>\n";
  return text;
}

Page document(int code, const std::string& title, const std::string& body) {
  Page page{code, kHtml, {}};
  page.body.append("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")
      .append("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")
      .append("<title>")
      .append(escaped(title))
      .append("</title><style>")
      .append(kStyle)
      .append("</style></head>\n<body><main>\n<h1>")
      .append(escaped(title))
      .append("</h1>\n")
      .append(body)
      .append("</main></body></html>\n");
  return page;
}

}  // namespace

Page status_page(const std::string* status_json) {
  const Json status = status_json == nullptr
                          ? Json()
                          : Json::parse(*status_json, nullptr, /*allow_exceptions=*/false);
  if (!status.is_object()) {
    return document(503, "holdfast", "<p class=\"bad\">" + escaped(kNoAnswer) + ".</p>\n");
  }
  return document(200, "holdfast: " + json_text(status, "name"),
                  summary(status) + reloads_table(status) + workers_table(status) +
                      listeners_table(status) +
                      "<p><a href=\"/\">Load again</a> &middot; <a href=\"/metrics\">Metrics</a> "
                      "&middot; <a href=\"/readyz\">Readiness</a></p>\n");
}

}  // namespace holdfast::metrics
