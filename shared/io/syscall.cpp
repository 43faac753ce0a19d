#include "shared/io/syscall.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <fcntl.h>
#include <limits>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace holdfast {

Result<UniqueFd> open_file(const std::string& path, int flags, unsigned mode) {
  for (;;) {
    const int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
    if (fd >= 0) return UniqueFd(fd);
    if (errno != EINTR) return errno_error("open " + path, errno);
  }
}

Result<UniqueFd> duplicate(int fd) {
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (copy < 0) return errno_error("duplicate a descriptor", errno);
  return UniqueFd(copy);
}

Result<std::pair<UniqueFd, UniqueFd>> seqpacket_pair() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
    return errno_error("create a socket pair", errno);
  }
  return std::pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<std::pair<UniqueFd, UniqueFd>> output_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return errno_error("create a pipe", errno);
  std::pair pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
  // Each end has an open file description of its own, so this leaves the write end blocking
  // (pipe(7)).
  if (::fcntl(pipe.first.get(), F_SETFL, O_NONBLOCK) != 0)
    return errno_error("set up a pipe", errno);
  return pipe;
}

Result<void> set_cloexec(int fd, bool on) {
  if (::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0) != 0)
    return errno_error("set close-on-exec", errno);
  return {};
}

bool write_fully(int fd, std::string_view bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(n));
    } else if (n < 0 && errno == EAGAIN) {
      if (!wait_writable(fd, Millis{1'000})) return false;
    } else if (n < 0 && errno != EINTR) {
      return false;
    }
  }
  return true;
}

bool wait_writable(int fd, Millis timeout) noexcept {
  const TimePoint deadline =
      Clock::now() + std::min(timeout, Millis{std::numeric_limits<int>::max()});
  pollfd entry{fd, POLLOUT, 0};
  for (;;) {
    const auto left = std::max(std::chrono::ceil<Millis>(deadline - Clock::now()), Millis{0});
    const int ready = ::poll(&entry, 1, static_cast<int>(left.count()));
    // poll(2) is never restarted after a signal, whatever SA_RESTART says (signal(7)).
    if (ready >= 0 || errno != EINTR) return ready > 0;
  }
}

}  // namespace holdfast
