// The listeners of a worker: accepts into Sessions, pauses and resumes, and waits while descriptors
// or room are short. Our copies are only ever closed: shutdown() would stop the shared socket for
// every process that holds it. One thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "shared/io/unique_fd.hpp"
#include "worker/io/listener_profile.hpp"
#include "worker/io/poller.hpp"
#include "worker/io/sessions.hpp"

namespace holdfast::worker {

class Acceptors {
 public:
  // `max_connections` as in Options. Sessions must outlive this.
  Acceptors(boost::asio::io_context& io, Sessions& sessions, const std::size_t& max_connections);
  ~Acceptors();

  // A nonblocking listening socket.
  void add(UniqueFd fd, ListenerProfile profile);

  void start();
  void pause();  // keeps the listeners; what their queues hold is for others
  // Accepts what is queued first if `drain_queue`, then closes our copies.
  void close(bool drain_queue);

 private:
  struct Listener final : Pollable {
    void on_poll(std::uint32_t events) override;
    Acceptors* owner = nullptr;
    UniqueFd fd;
    ListenerProfile profile;
  };
  enum class Accepted { More, Empty, Full };

  void accept_batch(Listener& listener);
  Accepted accept_one(Listener& listener);
  Accepted accept_from(Listener& listener);
  void watch();
  void unwatch();
  void starve();  // no descriptors or no room: stop looking until there may be some

  Sessions& sessions_;
  const std::size_t& max_connections_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::unique_ptr<Listener>> closed_;  // connections still refer to their profiles
  boost::asio::steady_timer retry_;
  bool wanted_ = false;    // start() was called last
  bool watching_ = false;  // in the epoll set
};

}  // namespace holdfast::worker
