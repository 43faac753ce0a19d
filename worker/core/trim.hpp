// Optional whitespace around a field's value (RFC 9110 section 5.6.3).
#pragma once

#include <string_view>

namespace holdfast::worker {

inline std::string_view trim(std::string_view text) {
  const std::size_t from = text.find_first_not_of(" \t");
  if (from == std::string_view::npos) return {};
  return text.substr(from, text.find_last_not_of(" \t") + 1 - from);
}

}  // namespace holdfast::worker
