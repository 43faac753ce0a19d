// A control channel in an io_context: calls back for each message, then once when the channel ends.
// Callbacks run on the thread of the io_context and may destroy the channel.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "shared/core/control_message.hpp"
#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast {

class ControlChannel {
 public:
  struct Callbacks {
    std::function<void(ControlMessage, std::vector<UniqueFd>)> on_message;
    std::function<void(std::optional<Error>)> on_closed;  // nothing: the peer closed its end (EOF)
    std::function<void(ControlMessage)> on_torn = {};     // Received::Kind::Torn; may be left out
  };

  // Takes a nonblocking SOCK_SEQPACKET socket. No callback runs before the io_context does.
  ControlChannel(boost::asio::io_context& io, UniqueFd fd, Callbacks callbacks);
  ControlChannel(ControlChannel&&) noexcept = default;
  ControlChannel& operator=(ControlChannel&&) = delete;
  ~ControlChannel();  // closes; no callback runs afterwards

  // Never blocks and never fails; a peer that is gone shows as on_closed.
  void send(const ControlMessage& message, std::vector<UniqueFd> fds = {});

 private:
  struct State;  // shared with pending waits, because a callback may destroy the channel that
                 // called it
  std::shared_ptr<State> state_;
};

}  // namespace holdfast
