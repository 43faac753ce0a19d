#include "supervisor/core/config_text.hpp"

#include <charconv>

namespace holdfast::supervisor {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

void append_utf8(std::string& out, unsigned code) {
  const auto byte = [&](unsigned value) { out += static_cast<char>(value); };
  if (code < 0x80) return byte(code);
  if (code < 0x800) {
    byte(0xC0 | (code >> 6U));
  } else {
    if (code < 0x10000) {
      byte(0xE0 | (code >> 12U));
    } else {
      byte(0xF0 | (code >> 18U));
      byte(0x80 | ((code >> 12U) & 0x3FU));
    }
    byte(0x80 | ((code >> 6U) & 0x3FU));
  }
  byte(0x80 | (code & 0x3FU));
}

}  // namespace

void ConfigText::skip_char() {
  if (at_end()) return;
  const char c = text_[next_++];
  if (c == '\n') {
    ++at_.line;
    at_.column = 1;
  } else if ((static_cast<unsigned char>(c) & 0xC0U) != 0x80U) {
    ++at_.column;
  }
}

bool ConfigText::take(char wanted) {
  if (at_end() || peek() != wanted) return false;
  skip_char();
  return true;
}

Result<void> ConfigText::skip_space() {
  for (;;) {
    const std::string_view rest = text_.substr(next_);
    if (!rest.empty() && std::string_view(" \t\r\n").find(rest.front()) != rest.npos) {
      skip_char();
    } else if (rest.starts_with("//")) {
      while (!at_end() && peek() != '\n') skip_char();
    } else if (rest.starts_with("/*")) {
      const std::size_t end = rest.find("*/", 2);
      if (end == rest.npos) return error_here("the comment has no end");
      for (const std::size_t stop = next_ + end + 2; next_ < stop;) skip_char();
    } else {
      return {};
    }
  }
}

Result<std::string> ConfigText::take_string() {
  const ConfigPosition begin = at_;
  std::string out;
  skip_char();
  while (!take('"')) {
    if (at_end() || peek() == '\n') return error_at(begin, "the text has no closing quote");
    const char c = peek();
    if (static_cast<unsigned char>(c) < 0x20) return error_here("a control character in a text");
    if (c == '\\') {
      HOLDFAST_TRY(take_escape(out));
    } else {
      out += c;
      skip_char();
    }
  }
  return {boost::system::in_place_value, std::move(out)};
}

Result<void> ConfigText::take_escape(std::string& out) {
  const ConfigPosition begin = at_;
  skip_char();
  const char c = peek();
  skip_char();
  constexpr std::string_view kLetters = "\"\\/bfnrt";
  constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
  if (const std::size_t at = kLetters.find(c); at != kLetters.npos && c != '\0') {
    out += kMeanings[at];
    return {};
  }
  if (c != 'u') return error_at(begin, "no such escape");
  HOLDFAST_ASSIGN(unsigned code, take_four_digits());
  if (code >= 0xD800 && code < 0xDC00 && take('\\') && take('u')) {
    HOLDFAST_ASSIGN(const unsigned low, take_four_digits());
    code = low >= 0xDC00 && low < 0xE000 ? 0x10000 + ((code - 0xD800) << 10U) + (low - 0xDC00) : 0;
  } else if (code >= 0xD800 && code < 0xE000) {
    code = 0;
  }
  // The kernel reads names and arguments up to their NUL only.
  if (code == 0) return error_at(begin, "no such character");
  append_utf8(out, code);
  return {};
}

Result<unsigned> ConfigText::take_four_digits() {
  unsigned code = 0;
  const std::string_view digits = text_.substr(next_, 4);
  const char* const last = digits.data() + digits.size();
  const auto [end, failed] = std::from_chars(digits.data(), last, code, 16);
  if (digits.size() < 4 || failed != std::errc{} || end != last)
    return error_here("expected four hexadecimal digits");
  for (int i = 0; i < 4; ++i) skip_char();
  return code;
}

Result<std::string> ConfigText::take_number() {
  const ConfigPosition begin = at_;
  const std::size_t first = next_;
  const auto digits = [&] {
    const std::size_t from = next_;
    while (is_digit(peek())) skip_char();
    return next_ - from;
  };
  take('-');
  const bool zero = peek() == '0';
  std::size_t count = digits();
  bool good = count > 0 && (!zero || count == 1);
  if (take('.')) good = digits() > 0 && good;
  if (take('e') || take('E')) {
    if (!take('+')) take('-');
    good = digits() > 0 && good;
  }
  const std::string rest = take_word();
  std::string number(text_.substr(first, next_ - first));
  if (!good || !rest.empty()) {
    return error_at(begin, number + " is no number; times, sizes and modes stand in double quotes");
  }
  return {boost::system::in_place_value, std::move(number)};
}

std::string ConfigText::take_word() {
  const std::size_t first = next_;
  const auto of_a_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
           c == '-' || c == '.' || c == '%';
  };
  while (of_a_word(peek())) skip_char();
  return std::string(text_.substr(first, next_ - first));
}

Error ConfigText::error_at(const ConfigPosition& at, std::string_view cause) const {
  return config_error(file_, at, std::string(cause));
}

}  // namespace holdfast::supervisor
