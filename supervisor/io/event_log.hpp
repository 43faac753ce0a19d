// Where reports go: standard error, a JSON line each. A reader that stalls neither blocks nor kills
// the supervisor: lines wait in a bounded buffer, then they are dropped and counted, what workers
// print before what the supervisor has to say. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "shared/core/time.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast::supervisor {

class EventLog {
 public:
  enum class Source { Supervisor, Worker };

  static constexpr std::size_t kCapacity = 1024 * 1024;
  static constexpr std::size_t kWorkerCapacity = kCapacity / 2;

  // `target` may be shared with others, so O_NONBLOCK is never set on it; where it is set, the
  // descriptor must be ours alone.
  EventLog(boost::asio::io_context& io, UniqueFd target);
  ~EventLog();
  EventLog(const EventLog&) = delete;
  EventLog& operator=(const EventLog&) = delete;

  // `line` ends with '\n'. It waits for flush(), so that a reader sees a step of the supervisor
  // when it is done, and many lines are one write.
  void add(std::string_view line, Source source = Source::Supervisor);

  // Writes what the target takes now; the rest follows by itself.
  void flush();

  // At exit: gives a slow reader this long.
  void flush_for(Millis timeout);

  std::uint64_t dropped() const { return dropped_; }

 private:
  bool write_some();
  long write_once(std::string_view bytes) const;
  void continue_later();

  enum class Kind { File, Socket, OwnNonblocking, Shared };
  UniqueFd target_;
  Kind kind_ = Kind::Shared;
  std::string pending_;
  std::size_t begin_ = 0;  // bytes before it are written
  std::uint64_t dropped_ = 0;
  std::uint64_t unreported_ = 0;
  std::unique_ptr<boost::asio::posix::stream_descriptor> watch_;  // when OwnNonblocking
  boost::asio::steady_timer retry_;
  bool waiting_ = false;
};

}  // namespace holdfast::supervisor
