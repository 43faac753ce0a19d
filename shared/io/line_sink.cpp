#include "shared/io/line_sink.hpp"

#include <algorithm>
#include <cerrno>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/core/json_line.hpp"
#include "shared/io/syscall.hpp"

namespace holdfast {

LineSink::LineSink(UniqueFd target, Limits limits) : target_(std::move(target)), limits_(limits) {
  try_at_ = limits_.batch;
  inspect_target();
}

void LineSink::inspect_target() {
  struct stat info {};
  const bool file = ::fstat(target_.get(), &info) == 0 && S_ISREG(info.st_mode);
  max_write_ = file ? 0 : PIPE_BUF;
}

void LineSink::append(std::string_view line) {
  if (!target_) return;
  if (buffer_.size() - begin_ + line.size() > limits_.capacity) {
    make_room(line.size());
    if (buffer_.size() - begin_ + line.size() > limits_.capacity) {
      ++lost_;
      ++unreported_;
      return;
    }
  }
  if (unreported_ != 0) {
    JsonLine(buffer_).text("type", "access_log_dropped").number("lines", unreported_).end();
    unreported_ = 0;
  }
  buffer_ += line;
  // After a refusal it is tried again a batch later, not at each line: a stalled reader must not
  // cost a call a request.
  if (buffer_.size() - begin_ >= try_at_) flush();
}

bool LineSink::flush() {
  while (!empty()) {
    const std::size_t size = next_write();
    const ssize_t n = ::write(target_.get(), buffer_.data() + begin_, size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      last_error_ = errno;
      if (begin_ > limits_.capacity / 2) {
        const std::size_t whole_lines = line_start();
        buffer_.erase(0, whole_lines);
        begin_ -= whole_lines;
      }
      try_at_ = buffer_.size() - begin_ + limits_.batch;
      return false;
    }
    last_error_ = 0;
    begin_ += static_cast<std::size_t>(n);
  }
  buffer_.clear();
  begin_ = 0;
  try_at_ = limits_.batch;
  return true;
}

// Where the line begins that the next write is in.
std::size_t LineSink::line_start() const {
  if (begin_ == 0) return 0;
  const std::size_t newline = buffer_.rfind('\n', begin_ - 1);
  return newline == std::string::npos ? 0 : newline + 1;
}

// A write that the kernel cut short (a full disk) leaves begin_ inside a line; the next one
// completes it.
std::size_t LineSink::next_write() const {
  const std::size_t left = buffer_.size() - begin_;
  if (max_write_ == 0 || left <= max_write_) return left;
  const std::size_t newline = buffer_.rfind('\n', begin_ + max_write_ - 1);
  if (newline == std::string::npos || newline < begin_) return max_write_;
  return newline + 1 - begin_;
}

void LineSink::make_room(std::size_t bytes) {
  while (!flush() && buffer_.size() - begin_ + bytes > limits_.capacity) {
    // Waiting helps against a slow reader only; a full disk or a vanished reader would wait for
    // ever.
    if (limits_.when_full == WhenFull::Drop || last_error_ != EAGAIN) return;
    wait_writable(target_.get(), Millis{1'000});
  }
}

std::uint64_t LineSink::flush_for(Millis timeout) {
  const TimePoint deadline = Clock::now() + timeout;
  while (!flush() && last_error_ == EAGAIN) {
    const auto left = std::chrono::duration_cast<Millis>(deadline - Clock::now());
    if (left.count() <= 0 || !wait_writable(target_.get(), left)) break;
  }
  const auto given_up =
      std::count(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_), buffer_.end(), '\n');
  lost_ += static_cast<std::uint64_t>(given_up);
  buffer_.clear();
  begin_ = 0;
  return static_cast<std::uint64_t>(given_up);
}

void LineSink::reopen(UniqueFd target) {
  flush();
  begin_ = line_start();  // a line that the old target took in part is written whole to the new one
  target_ = std::move(target);
  inspect_target();
  flush();
}

}  // namespace holdfast
