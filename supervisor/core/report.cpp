#include "supervisor/core/report.hpp"

#include <algorithm>

#include "shared/core/overloaded.hpp"

namespace holdfast::supervisor {

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::Info:
      return "info";
    case Severity::Warning:
      return "warning";
    case Severity::Error:
      return "error";
  }
  return "info";
}

std::string to_json_line(const Report& report, WallTime logged_at) {
  std::string out;
  JsonLine line(out);
  line.timestamp("logged_at", logged_at)
      .text("type", "event")
      .text("severity", to_string(report.severity))
      .text("event", report.event);
  for (const auto& [name, value] : report.fields) {
    const std::string& key = name;  // Clang 14 captures no structured binding in a lambda
    std::visit(overloaded{[&](std::uint64_t number) { line.number(key, number); },
                          [&](std::int64_t number) { line.signed_number(key, number); },
                          [&](bool flag) { line.boolean(key, flag); },
                          [&](const std::string& text) { line.text(key, text); },
                          [&](const RawJson& json) { line.raw(key, json.text); }},
               value);
  }
  line.end();
  return out;
}

RawJson lines_json(const std::vector<std::string>& lines, std::size_t max_bytes) {
  std::vector<std::string> quoted;
  std::size_t used = 2;
  for (auto line = lines.rbegin(); line != lines.rend(); ++line) {
    std::string text = "\"";
    append_json_text(text, *line, max_bytes / 2);
    text += '"';
    if (used + text.size() + 1 > max_bytes) break;
    used += text.size() + 1;
    quoted.push_back(std::move(text));
  }
  RawJson json{"["};
  for (auto text = quoted.rbegin(); text != quoted.rend(); ++text) {
    if (json.text.size() > 1) json.text += ',';
    json.text += *text;
  }
  json.text += ']';
  return json;
}

}  // namespace holdfast::supervisor
