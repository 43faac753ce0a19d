#include "worker/demo/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "holdfast/worker/byte_range.hpp"

namespace holdfast::demo {

using Verdict = worker::RangeChoice::Verdict;

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
  response.header("Accept-Ranges", "bytes");
  response.header("Content-Type", "application/octet-stream");
  // No validator is ever sent, so none that a client has can match (RFC 9110, 13.1.5).
  const bool ranges = request.method() == "GET" && request.header("If-Range").empty();
  const auto part = worker::choose_range(ranges ? request.header("Range") : "", size);
  if (part.verdict != Verdict::Whole) {
    response.status(part.verdict == Verdict::Part ? 206 : 416);
    response.header("Content-Range", worker::content_range(part, size));
  }
  if (part.verdict != Verdict::Unsatisfiable) response.send_file(fd, part.offset, part.length);
  ::close(fd);
}

}  // namespace holdfast::demo
