// A field that a handler adds to its request's access-log line, and what may be one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace holdfast::worker {

inline constexpr std::size_t kMaxLogKey = 40;

// Views only. `Literal` is for numbers, true, false and null; a Literal that is none of them is
// written as a text, so that no handler can break the line.
struct LogField {
  enum class Kind : std::uint8_t { Text, Literal };
  std::string_view key;
  std::string_view value;
  Kind kind = Kind::Text;
};

// 1 to kMaxLogKey characters of [A-Za-z0-9_.-], and not a name of the schema's own. Fields with
// another key are left out of the line.
bool valid_log_key(std::string_view key);

// A JSON number (RFC 8259, 6) that every reader can hold in a double, true, false or null.
bool is_json_literal(std::string_view text);

}  // namespace holdfast::worker
