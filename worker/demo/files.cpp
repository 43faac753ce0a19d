#include "worker/demo/files.hpp"

#include <algorithm>
#include <charconv>
#include <fcntl.h>
#include <optional>
#include <sys/stat.h>
#include <unistd.h>

namespace holdfast::demo {
namespace {

struct Range {
  std::uint64_t first = 0;
  std::uint64_t length = 0;
};

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// "bytes=2-5", "bytes=2-", "bytes=-5" (RFC 9110, 14.1.2). Nothing for what is none of these,
// several ranges included: the answer is then the whole file. An empty range has no byte of the
// file.
std::optional<Range> parse_range(std::string_view text, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  if (!text.starts_with(kUnit)) return std::nullopt;
  text.remove_prefix(kUnit.size());
  const std::size_t dash = text.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = number(text.substr(0, dash));
  const auto last = number(text.substr(dash + 1));
  if (dash == 0) {
    if (!last) return std::nullopt;
    const std::uint64_t length = std::min(*last, size);
    return Range{size - length, length};
  }
  const bool open = dash + 1 == text.size();
  if (!first || (!last && !open) || (last && *last < *first)) return std::nullopt;
  if (*first >= size) return Range{};
  return Range{*first, open ? size - *first : std::min(*last - *first + 1, size - *first)};
}

}  // namespace

void serve_file(const std::string& folder, const std::string& name, const worker::Request& request,
                worker::ResponseWriter& response) {
  if (folder.empty() || name.empty() || name.starts_with('.') ||
      name.find('/') != std::string::npos)
    return response.status(404);
  // O_NONBLOCK: nobody may be at the other end of a FIFO.
  const int fd = ::open((folder + "/" + name).c_str(),
                        O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  struct stat facts {};
  if (fd < 0 || ::fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode)) {
    if (fd >= 0) ::close(fd);
    return response.status(404);
  }
  const auto size = static_cast<std::uint64_t>(facts.st_size);
  Range part{0, size};
  response.header("Accept-Ranges", "bytes");
  response.header("Content-Type", "application/octet-stream");
  // No validator is ever sent, so none that a client has can match (RFC 9110, 13.1.5).
  const auto wanted = request.header("If-Range").empty()
                          ? parse_range(request.header("Range"), size)
                          : std::nullopt;
  if (wanted && wanted->length == 0) {
    response.status(416);
    response.header("Content-Range", "bytes */" + std::to_string(size));
    ::close(fd);
    return;
  }
  if (wanted) {
    part = *wanted;
    response.status(206);
    response.header("Content-Range", "bytes " + std::to_string(part.first) + "-" +
                                         std::to_string(part.first + part.length - 1) + "/" +
                                         std::to_string(size));
  }
  response.send_file(fd, part.first, part.length);
  ::close(fd);
}

}  // namespace holdfast::demo
