// Percent-encoding (RFC 3986, 2.1), one byte at a time, so that a comparison needs no copy.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace holdfast::worker {

constexpr int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// True when every '%' begins an escape, and nothing is NUL, escaped or not.
constexpr bool valid_escapes(std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\0') return false;
    if (text[i] != '%') continue;
    if (text.size() - i < 3 || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0)
      return false;
    if (text[i + 1] == '0' && text[i + 2] == '0') return false;
    i += 2;
  }
  return true;
}

// Takes the first byte off. REQUIRES: not empty, valid_escapes().
constexpr char take_decoded(std::string_view& text) noexcept {
  char c = text.front();
  std::size_t size = 1;
  if (c == '%') {
    c = static_cast<char>(hex_digit(text[1]) * 16 + hex_digit(text[2]));
    size = 3;
  }
  text.remove_prefix(size);
  return c;
}

constexpr bool decodes_to(std::string_view text, std::string_view plain) noexcept {
  for (; !text.empty() && !plain.empty(); plain.remove_prefix(1)) {
    if (take_decoded(text) != plain.front()) return false;
  }
  return text.empty() && plain.empty();
}

inline std::string percent_decoded(std::string_view text) {
  std::string plain;
  while (!text.empty()) plain += take_decoded(text);
  return plain;
}

}  // namespace holdfast::worker
