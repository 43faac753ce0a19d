// The parts of a request target that the head's reader accepted (RFC 9112, 3.2), not decoded.
#pragma once

#include <cstddef>
#include <string_view>

namespace holdfast::worker {

// Of "/path?query" and "http://host/path?query" the path; "/" where an absolute target has none.
// "*" and CONNECT's "host:port" are themselves.
constexpr std::string_view target_path(std::string_view target) noexcept {
  std::string_view path = target;
  if (!path.starts_with('/')) {
    if (const std::size_t scheme = path.find("://"); scheme != std::string_view::npos) {
      path.remove_prefix(scheme + 3);
      const std::size_t end = path.find_first_of("/?");
      if (end == std::string_view::npos || path[end] == '?') return "/";
      path.remove_prefix(end);
    }
  }
  return path.substr(0, path.find('?'));
}

constexpr std::string_view target_query(std::string_view target) noexcept {
  const std::size_t mark = target.find('?');
  return mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1);
}

}  // namespace holdfast::worker
