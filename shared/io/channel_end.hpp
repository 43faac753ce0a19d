// One end of a control channel without an event loop: whole messages and their descriptors,
// nonblocking. Not thread-safe.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "shared/core/control_message.hpp"
#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast {

struct Received {
  enum class Kind {
    Message,
    Torn,  // its descriptors did not all arrive, and it may be missed: we have too many open
    WouldBlock,
    Eof,
  };
  Kind kind = Kind::WouldBlock;
  ControlMessage message;     // when kind is Message or Torn
  std::vector<UniqueFd> fds;  // exactly expected_fds(message); none when it is Torn
};

class ChannelEnd {
 public:
  // `fd` is a nonblocking SOCK_SEQPACKET socket.
  explicit ChannelEnd(UniqueFd fd) : fd_(std::move(fd)) {}

  int fd() const { return fd_.get(); }

  // Queues the message behind those that the peer has not room for yet; the descriptors are kept
  // until it is sent. A peer that is gone is not an error here: receive() reports it.
  void send(const ControlMessage& message, std::vector<UniqueFd> fds = {});

  // Sends what is queued; call it when fd() is writable and wants_write().
  void flush();
  bool wants_write() const { return !queue_.empty(); }

  // Any error is final: a peer that breaks the protocol is not listened to again.
  Result<Received> receive();

 private:
  struct Pending {
    std::string bytes;
    std::vector<UniqueFd> fds;
  };
  UniqueFd fd_;
  std::deque<Pending> queue_;
};

}  // namespace holdfast
