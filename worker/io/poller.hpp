// The one private epoll set of a worker: listeners and connections live here, and the io_context
// watches the set itself. So an idle connection has no Asio object and costs nothing but its
// registration. Level-triggered. One thread.
#pragma once

#include <cstdint>
#include <functional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast::worker {

// Something with a descriptor in the set. It must stay alive until the end of the batch in which it
// was removed.
class Pollable {
 public:
  virtual void on_poll(std::uint32_t events) = 0;

 protected:
  ~Pollable() = default;
};

class Poller {
 public:
  // `after_batch` runs after each batch of events: the place to free what the batch removed. Throws
  // when the kernel gives no epoll set.
  Poller(boost::asio::io_context& io, std::function<void()> after_batch);

  void start();  // begins to watch; events arrive from the io_context
  void stop();

  Result<void> add(int fd, std::uint32_t events, Pollable& target);
  void modify(int fd, std::uint32_t events, Pollable& target);
  // Always before the descriptor is closed: a set keeps reporting a closed descriptor whose
  // description another process still holds (epoll(7), Q6), and listeners are shared with other
  // workers.
  void remove(int fd);

 private:
  void wait();
  void dispatch();

  UniqueFd set_;
  boost::asio::posix::stream_descriptor watch_;
  std::function<void()> after_batch_;
  bool running_ = false;
};

}  // namespace holdfast::worker
