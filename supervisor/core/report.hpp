// One thing that the operator is told, as data: the fleet decides what is reported, io adds what
// only it knows (pid, stderr lines) and writes the line. The schema is docs/events.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shared/core/ids.hpp"
#include "shared/core/json_line.hpp"

namespace holdfast::supervisor {

enum class Severity : std::uint8_t { Info, Warning, Error };

std::string_view to_string(Severity severity);

// A JSON value that is already text: lists of listeners or of lines.
struct RawJson {
  std::string text;
  bool operator==(const RawJson&) const = default;
};

using FieldValue = std::variant<std::uint64_t, std::int64_t, bool, std::string, RawJson>;

struct Report {
  Severity severity = Severity::Info;
  std::string event;
  std::vector<std::pair<std::string, FieldValue>> fields;
  std::optional<WorkerId> worker = {};  // io adds its generation, number and pid
  bool with_stderr_tail = false;        // and its last lines
  bool operator==(const Report&) const = default;

  Report& with(std::string key, FieldValue value) {
    fields.emplace_back(std::move(key), std::move(value));
    return *this;
  }
  Report& about(WorkerId id) {
    worker = id;
    return *this;
  }
};

inline Report report(std::string event) { return {Severity::Info, std::move(event), {}}; }
inline Report warning(std::string event) { return {Severity::Warning, std::move(event), {}}; }
inline Report failure(std::string event) { return {Severity::Error, std::move(event), {}}; }

// One line, ending with '\n': logged_at, type, severity, event, then the fields in their order.
std::string to_json_line(const Report& report, WallTime logged_at);

// A JSON array of `lines`: the last ones that fit into `max_bytes`, so that an event stays one
// write that no pipe tears (PIPE_BUF).
RawJson lines_json(const std::vector<std::string>& lines, std::size_t max_bytes);

}  // namespace holdfast::supervisor
