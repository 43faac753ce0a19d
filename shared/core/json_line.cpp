#include "shared/core/json_line.hpp"

#include <array>
#include <charconv>

namespace holdfast {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

// True for bytes that stand for themselves inside a JSON string.
constexpr std::array<bool, 256> make_plain() {
  std::array<bool, 256> plain{};
  for (int c = 0x20; c < 0x7f; ++c) plain[static_cast<std::size_t>(c)] = c != '"' && c != '\\';
  return plain;
}
constexpr auto kPlain = make_plain();

// Length of the well-formed UTF-8 sequence at the front of `text` (Unicode 15, table 3-7), or 0.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](std::size_t i, unsigned char low = 0x80, unsigned char high = 0xBF) {
    return i < text.size() && byte(i) >= low && byte(i) <= high;
  };
  const unsigned char lead = byte(0);
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
  if (lead == 0xE0) return tail(1, 0xA0) && tail(2) ? 3 : 0;
  if (lead == 0xED) return tail(1, 0x80, 0x9F) && tail(2) ? 3 : 0;
  if (lead >= 0xE1 && lead <= 0xEF) return tail(1) && tail(2) ? 3 : 0;
  if (lead == 0xF0) return tail(1, 0x90) && tail(2) && tail(3) ? 4 : 0;
  if (lead >= 0xF1 && lead <= 0xF3) return tail(1) && tail(2) && tail(3) ? 4 : 0;
  if (lead == 0xF4) return tail(1, 0x80, 0x8F) && tail(2) && tail(3) ? 4 : 0;
  return 0;
}

void append_escape(std::string& out, unsigned char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  constexpr char kHex[] = "0123456789abcdef";
  const char escape[] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
  out.append(escape, sizeof escape);
}

void two_digits(char* at, unsigned value) {
  at[0] = static_cast<char>('0' + value / 10);
  at[1] = static_cast<char>('0' + value % 10);
}

}  // namespace

bool append_json_text(std::string& out, std::string_view text, std::size_t limit) {
  const bool over = text.size() > limit;
  std::size_t i = 0;
  const std::size_t end = over ? limit : text.size();
  while (i < end) {
    std::size_t run = i;
    while (run < end && kPlain[static_cast<unsigned char>(text[run])]) ++run;
    out.append(text.data() + i, run - i);
    i = run;
    if (i == end) break;
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      append_escape(out, c);
      ++i;
      continue;
    }
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0) {
      out += kReplacement;
      ++i;
    } else if (i + length > end) {
      break;  // the cut falls inside this character: leave it out whole
    } else {
      out.append(text.data() + i, length);
      i += length;
    }
  }
  return over;
}

void append_timestamp(std::string& out, WallTime time) {
  // Calendar arithmetic once a second, digits of the second's fraction each time.
  thread_local std::chrono::sys_seconds cached_second = std::chrono::sys_seconds::max();
  thread_local char cached[] = "0000-00-00T00:00:00.000000Z";
  const auto second = std::chrono::floor<std::chrono::seconds>(time);
  if (second != cached_second) {
    const auto day = std::chrono::floor<std::chrono::days>(second);
    const std::chrono::year_month_day date{day};
    const std::chrono::hh_mm_ss clock{second - day};
    const auto year = static_cast<unsigned>(static_cast<int>(date.year()));
    two_digits(cached, year / 100);
    two_digits(cached + 2, year % 100);
    two_digits(cached + 5, static_cast<unsigned>(date.month()));
    two_digits(cached + 8, static_cast<unsigned>(date.day()));
    two_digits(cached + 11, static_cast<unsigned>(clock.hours().count()));
    two_digits(cached + 14, static_cast<unsigned>(clock.minutes().count()));
    two_digits(cached + 17, static_cast<unsigned>(clock.seconds().count()));
    cached_second = second;
  }
  const auto micros = static_cast<unsigned>((time - second).count());
  two_digits(cached + 20, micros / 10'000);
  two_digits(cached + 22, micros / 100 % 100);
  two_digits(cached + 24, micros % 100);
  out.append(cached, sizeof cached - 1);
}

void JsonLine::key(std::string_view name) {
  if (!first_) out_ += ',';
  first_ = false;
  out_ += '"';
  out_ += name;
  out_ += "\":";
}

JsonLine& JsonLine::text(std::string_view name, std::string_view value) {
  key(name);
  out_ += '"';
  append_json_text(out_, value);
  out_ += '"';
  return *this;
}

JsonLine& JsonLine::number(std::string_view name, std::uint64_t value) {
  key(name);
  char digits[20];
  const auto [end, failed] = std::to_chars(digits, digits + sizeof digits, value);
  out_.append(digits, end);
  return *this;
}

JsonLine& JsonLine::signed_number(std::string_view name, std::int64_t value) {
  key(name);
  char digits[20];
  const auto [end, failed] = std::to_chars(digits, digits + sizeof digits, value);
  out_.append(digits, end);
  return *this;
}

JsonLine& JsonLine::boolean(std::string_view name, bool value) {
  return raw(name, value ? "true" : "false");
}

JsonLine& JsonLine::raw(std::string_view name, std::string_view json) {
  key(name);
  out_ += json;
  return *this;
}

JsonLine& JsonLine::timestamp(std::string_view name, WallTime value) {
  key(name);
  out_ += '"';
  append_timestamp(out_, value);
  out_ += '"';
  return *this;
}

}  // namespace holdfast
