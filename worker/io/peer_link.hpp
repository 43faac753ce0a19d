// A worker's end of the channel to another one: whole messages and the descriptors of an offer. It
// queues nothing: what the kernel does not take is not sent. Callbacks run on the loop's thread and
// may destroy the link.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"
#include "worker/core/handoff_message.hpp"
#include "worker/io/handoff_loop.hpp"

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
  PeerLink(HandoffLoop& loop, UniqueFd fd, Callbacks callbacks);
  PeerLink(PeerLink&&) noexcept = default;
  PeerLink& operator=(PeerLink&&) = delete;
  ~PeerLink();

  bool send(const HandoffMessage& message, std::span<const int> fds = {});

  // The peer can send nothing more; what it has sent is read, and called back for, now.
  void read_the_rest();

 private:
  struct State;  // shared with the call under way, because it may destroy its link
  std::shared_ptr<State> state_;
};

}  // namespace holdfast::worker
