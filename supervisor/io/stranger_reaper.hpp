// Reaps children that nobody here started: orphans that the kernel gives to PID 1 of a container,
// or to a subreaper (prctl(2)). Their status means nothing and nothing is forwarded to them.
// Workers are left alone: whoever started them waits for them. One thread.
#pragma once

#include <functional>
#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast::supervisor {

class StrangerReaper {
 public:
  // `is_ours` is asked about dead children. Blocks SIGCHLD; call it while there is one thread.
  StrangerReaper(boost::asio::io_context& io, std::function<bool(pid_t)> is_ours);
  ~StrangerReaper();
  StrangerReaper(const StrangerReaper&) = delete;
  StrangerReaper& operator=(const StrangerReaper&) = delete;

  // After one of ours was waited for: a dead stranger may have stood behind it.
  void look();

 private:
  void wait();

  std::function<bool(pid_t)> is_ours_;
  UniqueFd signals_;
  boost::asio::posix::stream_descriptor watch_;
};

// From now on orphans of our family become our children.
Result<void> become_subreaper();

}  // namespace holdfast::supervisor
