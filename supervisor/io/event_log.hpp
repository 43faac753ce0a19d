// Where reports go: standard error, a JSON line each. A reader that stalls neither blocks nor kills
// the supervisor: lines wait in a bounded buffer, then they are dropped and counted. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/asio/steady_timer.hpp>

#include "shared/core/time.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast::supervisor {

class EventLog {
 public:
  static constexpr std::size_t kCapacity = 256 * 1024;

  // `target` is shared with others, so O_NONBLOCK is never set on it.
  EventLog(boost::asio::io_context& io, UniqueFd target);
  // To standard error: a pipe or terminal is opened anew for ourselves.
  static EventLog to_stderr(boost::asio::io_context& io);

  // `line` ends with '\n'.
  void write(std::string_view line) { write_within(line, kCapacity); }
  // For what workers say. The half that is closed to it is the events' own: a worker that says a
  // lot, as one that fails does, must not drown the verdict on it.
  void write_output(std::string_view line) { write_within(line, kCapacity / 2); }
  // At exit: gives a slow reader this long.
  void flush_for(Millis timeout);

  std::uint64_t dropped() const { return dropped_; }

 private:
  void write_within(std::string_view line, std::size_t capacity);
  bool flush();
  long write_some(std::string_view bytes) const;
  void retry_later();

  UniqueFd target_;
  bool socket_ = false;
  std::string pending_;
  std::uint64_t dropped_ = 0;
  std::uint64_t unreported_ = 0;
  boost::asio::steady_timer retry_;
  bool retrying_ = false;
};

}  // namespace holdfast::supervisor
