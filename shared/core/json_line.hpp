// JSON text for log lines, appended straight into the caller's buffer: no allocation of its own, no
// exception, valid JSON whatever the bytes. Bad UTF-8 becomes U+FFFD, control characters and DEL
// are escaped.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast {

using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

// The inside of a JSON string. At most `limit` bytes of `text` are taken, cut at a character's
// boundary; returns whether something was cut off.
bool append_json_text(std::string& out, std::string_view text,
                      std::size_t limit = std::string_view::npos);

// How many bytes append_json_text would append.
std::size_t json_text_size(std::string_view text, std::size_t limit = std::string_view::npos);

// As append_json_text, into memory that has room for json_text_size() bytes, which is at most six
// for each byte taken; returns the end of what it wrote.
char* write_json_text(char* at, std::string_view text, std::size_t limit = std::string_view::npos);

// RFC 3339 in UTC with microseconds: 2026-01-02T03:04:05.000006Z (27 bytes).
inline constexpr std::size_t kTimestampSize = 27;
void append_timestamp(std::string& out, WallTime time);
char* write_timestamp(char* at, WallTime time);

// One flat JSON object. Keys are ours and must need no escape; values may be anything.
//   JsonLine line(out); line.text("event", "started").number("pid", 7); line.end();   // ends with
//   '\n'
class JsonLine {
 public:
  // Begins the object in `out`, which must outlive this.
  explicit JsonLine(std::string& out) : out_(out) { out_ += '{'; }

  JsonLine& text(std::string_view key, std::string_view value);
  JsonLine& number(std::string_view key, std::uint64_t value);
  JsonLine& signed_number(std::string_view key, std::int64_t value);
  JsonLine& boolean(std::string_view key, bool value);
  JsonLine& raw(std::string_view key, std::string_view json);  // `json` must be one JSON value
  JsonLine& timestamp(std::string_view key, WallTime value);
  void end() { out_ += "}\n"; }

 private:
  void key(std::string_view name);
  std::string& out_;
  bool first_ = true;
};

}  // namespace holdfast
