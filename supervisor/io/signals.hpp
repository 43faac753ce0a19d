// Signals to the supervisor, read from a signalfd, so that each comes with its sender. Blocked
// before anything else happens: one that arrives earlier waits in the kernel and is not lost.
#pragma once

#include <functional>
#include <sys/types.h>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast::supervisor {

struct ReceivedSignal {
  int number = 0;
  pid_t sender_pid = 0;  // 0: the kernel, or a process of another pid namespace
  uid_t sender_uid = 0;
};

const char* signal_name(int number);

class Signals {
 public:
  // Blocks the signals of docs/signals.md, ignores PIPE. The first thing that main does, while
  // there is one thread.
  static Result<Signals> block();

  // From now on each signal comes to `on_signal`, on the thread of the io_context.
  void start(boost::asio::io_context& io, std::function<void(ReceivedSignal)> on_signal);
  void stop();

 private:
  explicit Signals(UniqueFd fd) : fd_(std::move(fd)) {}
  void wait();

  UniqueFd fd_;
  std::unique_ptr<boost::asio::posix::stream_descriptor> watch_;
  std::function<void(ReceivedSignal)> on_signal_;
};

}  // namespace holdfast::supervisor
