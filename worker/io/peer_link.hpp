// A worker's end of the channel to another one: whole messages and the descriptors of an offer. It
// queues nothing: what the kernel does not take is not sent. Callbacks run on the thread of the
// io_context and may destroy the link.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"
#include "worker/core/handoff_message.hpp"

namespace holdfast::worker {

class PeerLink {
 public:
  struct Received {
    HandoffMessage message;
    std::vector<UniqueFd> fds;  // of an Offer: one for each connection, unless torn
    bool torn = false;          // the kernel lost some, because we have too many open
  };
  struct Callbacks {
    std::function<void(Received)> on_message;
    std::function<void()> on_closed;  // the peer is gone, or talks nonsense
  };

  // Takes a nonblocking SOCK_SEQPACKET socket.
  PeerLink(boost::asio::io_context& io, UniqueFd fd, Callbacks callbacks);
  PeerLink(PeerLink&&) noexcept = default;
  PeerLink& operator=(PeerLink&&) = delete;
  ~PeerLink();

  bool send(const HandoffMessage& message, std::span<const int> fds = {});

  // The peer can send nothing more; what it has sent is read, and called back for, now.
  void read_the_rest();

 private:
  struct State;  // shared with the pending wait, because a callback may destroy its link
  std::shared_ptr<State> state_;
};

}  // namespace holdfast::worker
