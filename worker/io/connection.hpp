// What a connection is while nothing happens on it: a descriptor, a timer, its machine and where it
// came from. An idle connection is this and nothing else (no buffer, no Asio object), at most 256
// bytes.
#pragma once

#include <cstdint>
#include <string>

#include "shared/io/unique_fd.hpp"
#include "worker/core/connection_state.hpp"
#include "worker/core/timer_wheel.hpp"
#include "worker/io/peer_address.hpp"
#include "worker/io/poller.hpp"

namespace holdfast::worker {

class Exchange;
class Sessions;

struct Connection final : Pollable, Timer {
  Connection(Sessions& sessions, UniqueFd descriptor, PeerAddress address,
             const std::string& listener_name)
      : owner(sessions), fd(std::move(descriptor)), peer(address), listener(&listener_name) {}

  void on_poll(std::uint32_t events) override;

  Sessions& owner;
  UniqueFd fd;
  ConnMachine machine;
  PeerAddress peer;
  std::uint32_t interest = 0;  // what the epoll set is asked for
  const std::string* listener;
  std::uint64_t number = 0;  // of those this worker accepted
  Exchange* exchange = nullptr;
  Connection* previous = nullptr;  // in the list of all connections
  Connection* next = nullptr;
};
static_assert(sizeof(Connection) <= 192,
              "with malloc's own bytes an idle connection stays below 256");

}  // namespace holdfast::worker
