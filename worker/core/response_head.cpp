#include "worker/core/response_head.hpp"

#include <cassert>
#include <charconv>
#include <cstring>

#include "worker/core/ascii.hpp"
#include "worker/core/head_reader.hpp"

namespace holdfast::worker {
namespace {

constexpr ByteTable field_value_bytes() {
  ByteTable table{};
  for (unsigned c = 0; c < 256; ++c) table[c] = c == '\t' || (c >= 0x20 && c != 0x7f);
  return table;
}
constexpr ByteTable kFieldValueBytes = field_value_bytes();

// Handlers' fields that would contradict the framing or the connection that is decided here.
enum class Own : std::uint8_t { No, Framing, Connection, Date };

Own own_field(std::string_view name) {
  switch (name.size()) {
    case 4:
      return equals_ignoring_case(name, "date") ? Own::Date : Own::No;
    case 10:
      return equals_ignoring_case(name, "connection") || equals_ignoring_case(name, "keep-alive")
                 ? Own::Connection
                 : Own::No;
    case 14:
      return equals_ignoring_case(name, "content-length") ? Own::Framing : Own::No;
    case 17:
      return equals_ignoring_case(name, "transfer-encoding") ? Own::Framing : Own::No;
    default:
      return Own::No;
  }
}

void append_number(std::string& out, std::uint64_t value) {
  char digits[20];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

char* two_digits(char* at, unsigned value) {
  at[0] = static_cast<char>('0' + value / 10);
  at[1] = static_cast<char>('0' + value % 10);
  return at + 2;
}

void append_framing(std::string& out, const ResponseHead& head) {
  switch (head.framing) {
    case BodyFraming::Length:
      out += "Content-Length: ";
      append_number(out, head.content_length);
      out += "\r\n";
      break;
    case BodyFraming::Chunked:
      out += "Transfer-Encoding: chunked\r\n";
      break;
    case BodyFraming::None:
    case BodyFraming::UntilClose:
      break;
  }
}

void append_connection(std::string& out, const ResponseHead& head) {
  if (head.connection == ConnectionHeader::Close) {
    out += "Connection: close\r\n";
  } else if (!head.keep_alive.empty() && head.status != 101) {
    out += head.keep_alive;
  } else if (head.connection == ConnectionHeader::KeepAlive) {
    out += "Connection: keep-alive\r\n";
  }
}

}  // namespace

void append_response_head(std::string& out, const ResponseHead& head) {
  assert(head.status >= 100 && head.status <= 999);
  out += "HTTP/1.1 ";
  append_number(out, static_cast<std::uint64_t>(head.status));
  out += ' ';
  out += reason_phrase(head.status);
  out += "\r\n";
  out += head.lines;
  const bool has_date = append_field_lines(out, head.status, head.fields);
  if (!has_date && !head.date.empty()) {
    out += "Date: ";
    out += head.date;
    out += "\r\n";
  }
  append_framing(out, head);
  append_connection(out, head);
  out += "\r\n";
}

bool append_field_lines(std::string& out, int status, std::span<const HeaderField> fields) {
  bool has_date = false;
  for (const HeaderField& field : fields) {
    const Own own = own_field(field.name);
    if (own == Own::Framing || (own == Own::Connection && status != 101)) continue;
    has_date = has_date || own == Own::Date;
    out += field.name;
    out += ": ";
    out += field.value;
    out += "\r\n";
  }
  return has_date;
}

bool valid_field_name(std::string_view name) {
  for (const char c : name) {
    if (!is_token_byte(c)) return false;
  }
  return !name.empty();
}

bool valid_field_value(std::string_view value) {
  bool valid = true;  // without a branch a byte: values are short, and nearly all are valid
  for (const char c : value) valid &= kFieldValueBytes[static_cast<unsigned char>(c)];
  return valid;
}

void append_http_date(std::string& out, std::chrono::sys_seconds time) {
  constexpr std::string_view kDays = "SunMonTueWedThuFriSat";
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
  char text[] = "Sun, 06 Nov 1994 08:49:37 GMT";
  std::memcpy(text, &kDays[std::chrono::weekday(day).c_encoding() * 3], 3);
  two_digits(text + 5, static_cast<unsigned>(date.day()));
  std::memcpy(text + 8, &kMonths[(static_cast<unsigned>(date.month()) - 1) * 3], 3);
  two_digits(two_digits(text + 12, year / 100 % 100), year % 100);
  two_digits(text + 17, static_cast<unsigned>(clock.hours().count()));
  two_digits(text + 20, static_cast<unsigned>(clock.minutes().count()));
  two_digits(text + 23, static_cast<unsigned>(clock.seconds().count()));
  out.append(text, sizeof text - 1);
}

}  // namespace holdfast::worker
