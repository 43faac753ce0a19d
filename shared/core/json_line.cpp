#include "shared/core/json_line.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

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

// Where the run of plain bytes from `at` ends. Eight bytes at a time, because nearly all log text
// is plain: a byte's high bit in `special` is set when it is below 0x20, above 0x7e, '"' or '\\'. A
// borrow can set it for a byte above such a one too, never below, so the plain loop finds the
// place.
const char* plain_end(const char* at, const char* end) {
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  constexpr std::uint64_t kHighs = 0x8080808080808080;
  while (end - at >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, sizeof word);
    const auto equals = [word](unsigned char c) {
      const std::uint64_t difference = word ^ (kOnes * c);
      return (difference - kOnes) & ~difference;
    };
    const std::uint64_t below_space = (word - kOnes * 0x20) & ~word;
    const std::uint64_t special = below_space | equals('"') | equals('\\') | equals(0x7f) | word;
    if ((special & kHighs) != 0) break;
    at += 8;
  }
  while (at != end && kPlain[static_cast<unsigned char>(*at)]) ++at;
  return at;
}

// The ways out: each takes bytes that stand for themselves in the result.
struct Append {
  std::string& out;
  void operator()(const char* bytes, std::size_t size) { out.append(bytes, size); }
};
struct Write {
  char* at;
  void operator()(const char* bytes, std::size_t size) {
    std::memcpy(at, bytes, size);
    at += size;
  }
};
struct Count {
  std::size_t size = 0;
  void operator()(const char*, std::size_t more) { size += more; }
};

template <typename Out>
void put_escape(Out& out, unsigned char c) {
  switch (c) {
    case '"':
      return out("\\\"", 2);
    case '\\':
      return out("\\\\", 2);
    case '\n':
      return out("\\n", 2);
    case '\r':
      return out("\\r", 2);
    case '\t':
      return out("\\t", 2);
    default:
      break;
  }
  constexpr char kHex[] = "0123456789abcdef";
  const char escape[] = {'\\', 'u', '0', '0', kHex[c >> 4], kHex[c & 15]};
  out(escape, sizeof escape);
}

template <typename Out>
void put_json_text(Out& out, std::string_view text, std::size_t limit) {
  std::size_t i = 0;
  const std::size_t end = std::min(limit, text.size());
  while (i < end) {
    const char* const from = text.data() + i;
    const auto run = static_cast<std::size_t>(plain_end(from, text.data() + end) - from);
    if (run != 0) out(from, run);
    i += run;
    if (i == end) break;
    const auto c = static_cast<unsigned char>(text[i]);
    if (c < 0x80) {
      put_escape(out, c);
      ++i;
      continue;
    }
    const std::size_t length = utf8_length(text.substr(i));
    if (length == 0) {
      out(kReplacement.data(), kReplacement.size());
      ++i;
    } else if (i + length > end) {
      break;  // the cut falls inside this character: leave it out whole
    } else {
      out(text.data() + i, length);
      i += length;
    }
  }
}

void two_digits(char* at, unsigned value) {
  at[0] = static_cast<char>('0' + value / 10);
  at[1] = static_cast<char>('0' + value % 10);
}

}  // namespace

bool append_json_text(std::string& out, std::string_view text, std::size_t limit) {
  Append append{out};
  put_json_text(append, text, limit);
  return text.size() > limit;
}

std::size_t json_text_size(std::string_view text, std::size_t limit) {
  Count count;
  put_json_text(count, text, limit);
  return count.size;
}

char* write_json_text(char* at, std::string_view text, std::size_t limit) {
  Write write{at};
  put_json_text(write, text, limit);
  return write.at;
}

char* write_timestamp(char* at, WallTime time) {
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
  std::memcpy(at, cached, kTimestampSize);
  return at + kTimestampSize;
}

void append_timestamp(std::string& out, WallTime time) {
  char text[kTimestampSize];
  out.append(text, write_timestamp(text, time));
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
