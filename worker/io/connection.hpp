// What a connection is while nothing happens on it: a descriptor, a timer, its machine and where it
// came from. An idle connection is this and nothing else (no buffer, no Asio object), at most 256
// bytes.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <sys/epoll.h>

#include "shared/io/unique_fd.hpp"
#include "worker/core/access_record.hpp"
#include "worker/core/connection_state.hpp"
#include "worker/core/proxy_protocol.hpp"
#include "worker/core/timer_wheel.hpp"
#include "worker/io/handoff_ends.hpp"
#include "worker/io/listener_profile.hpp"
#include "worker/io/peer_address.hpp"
#include "worker/io/poller.hpp"
#include "worker/io/tls_stream.hpp"

namespace holdfast::worker {

// What a connection is watched for while its client is to speak. Edge-triggered: ADR 0003.
inline constexpr std::uint32_t kReading = EPOLLIN | EPOLLRDHUP | EPOLLET;

class Exchange;
class Sessions;

// What only some connections have; a plain one has none of it.
struct ConnectionExtra {
  bool handshaking = false;                  // TLS: no request before it is done
  bool proxy_pending = false;                // the PROXY header comes before everything else
  std::unique_ptr<ProxyHeaderReader> proxy;  // while it comes
  std::unique_ptr<TlsStream> tls;            // from the first byte of a handshake on
  bool probed = false;                       // a part of a TLS record was waited for once
  bool reset = false;                        // the peer must not take the end for an orderly one
  std::optional<PeerAddress> client;         // as it told
  TimePoint linger_until{};                  // when it is closed although it still sends
};

// What a connection that another worker accepted keeps of it.
struct ConnectionOrigin {
  ConnectionName id;
  std::uint64_t handed_off_from = 0;  // a generation; 0 once the log has said it
};

struct Connection final : Pollable, Timer, HandoffItem {
  Connection(Sessions& sessions, UniqueFd descriptor, PeerAddress address,
             const ListenerProfile& profile)
      : owner(sessions), fd(std::move(descriptor)), peer(address), listener(&profile) {}

  void on_poll(std::uint32_t events) override;

  Sessions& owner;
  UniqueFd fd;
  ConnMachine machine;
  PeerAddress peer;
  std::uint32_t interest = 0;       // what the epoll set is asked for
  ConnState told = ConnState::New;  // what the state hook knows of it
  const ListenerProfile* listener;
  std::unique_ptr<ConnectionExtra> extra;
  std::unique_ptr<ConnectionOrigin> origin;
  std::uint64_t number = 0;  // of those this worker accepted or took
  TimePoint opened{};        // accepted, by whomever
  Exchange* exchange = nullptr;
  Connection* previous = nullptr;  // in the list of all connections
  Connection* next = nullptr;
};
static_assert(sizeof(Connection) <= 192,
              "with malloc's own bytes an idle connection stays below 256");

}  // namespace holdfast::worker
