// Letters as HTTP compares them: ASCII, whatever the locale (RFC 9110, 5.1).
#pragma once

#include <cstddef>
#include <string_view>

namespace holdfast::worker {

constexpr char to_lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
}

constexpr bool equals_ignoring_case(std::string_view a, std::string_view b) noexcept {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (to_lower(a[i]) != to_lower(b[i])) return false;
  }
  return true;
}

}  // namespace holdfast::worker
