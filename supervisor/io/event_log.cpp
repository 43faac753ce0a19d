#include "supervisor/io/event_log.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <limits.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/io/syscall.hpp"
#include "supervisor/core/report.hpp"

namespace holdfast::supervisor {
namespace {

constexpr Millis kRetry{20};

}  // namespace

EventLog::EventLog(boost::asio::io_context& io, UniqueFd target)
    : target_(std::move(target)), retry_(io) {
  struct stat info {};
  if (!target_ || ::fstat(target_.get(), &info) != 0) return;
  const int flags = ::fcntl(target_.get(), F_GETFL);
  if (S_ISREG(info.st_mode)) {
    kind_ = Kind::File;
  } else if (S_ISSOCK(info.st_mode)) {
    kind_ = Kind::Socket;
  } else if (flags >= 0 && (flags & O_NONBLOCK) != 0) {
    kind_ = Kind::OwnNonblocking;
    watch_ = std::make_unique<boost::asio::posix::stream_descriptor>(io);
    boost::system::error_code unwatchable;  // /dev/null: epoll(7) takes no such file
    watch_->assign(target_.get(), unwatchable);
    if (unwatchable) watch_.reset();
  }
}

EventLog::~EventLog() {
  if (watch_ && watch_->is_open()) watch_->release();  // target_ owns the descriptor
}

void EventLog::add(std::string_view line, Source source) {
  if (!target_) return;
  const std::size_t capacity = source == Source::Worker ? kWorkerCapacity : kCapacity;
  if (pending_.size() - begin_ + line.size() > capacity) {
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
}

// A blocking pipe or terminal takes PIPE_BUF whole once poll(2) says that it is writable (pipe(7)),
// so neither a stopped terminal nor a stalled reader holds us.
long EventLog::write_once(std::string_view bytes) const {
  if (kind_ == Kind::Socket) {
    return ::send(target_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  }
  if (kind_ == Kind::Shared && !wait_writable(target_.get(), Millis{0})) {
    errno = EAGAIN;
    return -1;
  }
  return ::write(target_.get(), bytes.data(), bytes.size());
}

bool EventLog::write_some() {
  while (begin_ < pending_.size()) {
    std::size_t size = pending_.size() - begin_;
    if (kind_ != Kind::File && size > PIPE_BUF) {
      // Whole lines, so that those of workers that share the pipe do not mix with ours.
      const std::size_t end = pending_.rfind('\n', begin_ + PIPE_BUF - 1);
      const bool fits = end != std::string::npos && end >= begin_;
      size = fits ? end + 1 - begin_ : std::size_t{PIPE_BUF};
    }
    const long written = write_once(std::string_view(pending_).substr(begin_, size));
    if (written >= 0) {
      begin_ += static_cast<std::size_t>(written);
    } else if (errno == EAGAIN) {
      return false;
    } else if (errno != EINTR) {
      // The reader is gone or the disk is full. Nobody can be told; the work goes on.
      const auto from = pending_.begin() + static_cast<std::ptrdiff_t>(begin_);
      dropped_ += static_cast<std::uint64_t>(std::count(from, pending_.end(), '\n'));
      begin_ = pending_.size();
    }
  }
  return true;
}

void EventLog::flush() {
  if (!target_ || waiting_) return;
  const bool done = write_some();
  pending_.erase(0, begin_);
  begin_ = 0;
  if (!done) continue_later();
}

// Where the descriptor is shared by a timer, because Asio sets O_NONBLOCK on what it watches.
void EventLog::continue_later() {
  waiting_ = true;
  const auto again = [this](boost::system::error_code failed) {
    waiting_ = false;
    if (!failed) flush();
  };
  if (watch_) {
    watch_->async_wait(boost::asio::posix::stream_descriptor::wait_write, again);
  } else {
    retry_.expires_after(kRetry);
    retry_.async_wait(again);
  }
}

void EventLog::flush_for(Millis timeout) {
  const TimePoint deadline = Clock::now() + timeout;
  while (target_ && !write_some()) {
    const auto left = std::chrono::duration_cast<Millis>(deadline - Clock::now());
    if (left.count() <= 0 || !wait_writable(target_.get(), left)) return;
  }
}

}  // namespace holdfast::supervisor
