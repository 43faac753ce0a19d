#include "supervisor/io/event_log.hpp"

#include <algorithm>
#include <cerrno>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/io/log_target.hpp"
#include "shared/io/syscall.hpp"
#include "supervisor/core/report.hpp"

namespace holdfast::supervisor {

EventLog::EventLog(boost::asio::io_context& io, UniqueFd target)
    : target_(std::move(target)), retry_(io) {
  struct stat info {};
  socket_ = ::fstat(target_.get(), &info) == 0 && S_ISSOCK(info.st_mode);
}

EventLog EventLog::to_stderr(boost::asio::io_context& io) {
  auto own = open_log_target("stderr");
  return EventLog(io, own ? std::move(*own) : UniqueFd());
}

void EventLog::write_within(std::string_view line, std::size_t capacity) {
  if (!target_) return;
  if (pending_.size() + line.size() > capacity && !flush() &&
      pending_.size() + line.size() > capacity) {
    ++dropped_;
    ++unreported_;
    return;
  }
  if (unreported_ != 0) {
    const auto now = std::chrono::time_point_cast<WallTime::duration>(WallTime::clock::now());
    pending_ += to_json_line(warning("events_dropped").with("lines", unreported_), now);
    unreported_ = 0;
  }
  pending_ += line;
  if (!flush()) retry_later();
}

// At most PIPE_BUF at a time and after poll(2) said yes: then even a blocking pipe takes it whole
// (pipe(7)), and neither a stopped terminal nor a stalled reader holds us.
long EventLog::write_some(std::string_view bytes) const {
  if (socket_) {
    return ::send(target_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  if (!wait_writable(target_.get(), Millis{0})) {
    errno = EAGAIN;
    return -1;
  }
  return ::write(target_.get(), bytes.data(), bytes.size());
}

bool EventLog::flush() {
  while (!pending_.empty()) {
    std::size_t size = std::min<std::size_t>(pending_.size(), PIPE_BUF);
    // Whole lines, so that those of workers that share the pipe do not mix with ours.
    if (const std::size_t end = pending_.rfind('\n', size - 1); end != std::string::npos) {
      size = end + 1;
    }
    const long written = write_some(std::string_view(pending_).substr(0, size));
    if (written > 0) {
      pending_.erase(0, static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      return false;
    } else if (errno != EINTR) {
      // The reader is gone or the disk is full. Nobody can be told; the work goes on.
      dropped_ += static_cast<std::uint64_t>(std::ranges::count(pending_, '\n'));
      pending_.clear();
    }
  }
  return true;
}

// By a timer and not by epoll: Asio would set O_NONBLOCK on a description that is not only ours.
void EventLog::retry_later() {
  if (retrying_) return;
  retrying_ = true;
  retry_.expires_after(Millis{50});
  retry_.async_wait([this](boost::system::error_code failed) {
    retrying_ = false;
    if (!failed && !flush()) retry_later();
  });
}

void EventLog::flush_for(Millis timeout) {
  const TimePoint deadline = Clock::now() + timeout;
  while (target_ && !flush()) {
    const auto left = std::chrono::duration_cast<Millis>(deadline - Clock::now());
    if (left.count() <= 0 || !wait_writable(target_.get(), left)) return;
  }
}

}  // namespace holdfast::supervisor
