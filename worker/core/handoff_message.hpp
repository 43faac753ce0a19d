// What two workers say to each other while one hands its connections to the other, over a
// SOCK_SEQPACKET pair: a JSON object a datagram; behind an offer's object stand the bytes that its
// connections have brought but nobody has read yet, and with it come their descriptors. The two are
// of different ages, as worker and supervisor are: unknown fields are ignored, and both have said
// in `hello` which versions of these records they understand (docs/handoff_protocol.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shared/core/result.hpp"
#include "shared/core/time.hpp"
#include "worker/core/access_record.hpp"

namespace holdfast::worker {

inline constexpr std::size_t kMaxOfferConnections = 64;
inline constexpr std::size_t kMaxOfferBytes = 48 * 1024;
// A connection that has brought more than this answers first.
inline constexpr std::size_t kMaxPending = 32 * 1024;
// An embedder's own state of one connection.
inline constexpr std::size_t kMaxCarriedState = 4 * 1024;

struct Endpoint {
  std::string ip;  // "192.0.2.1", "2001:db8::1"; empty: a Unix peer
  std::uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
};

// A connection as it is between two owners. Times are spans, so that neither side's clock matters.
struct CarriedConnection {
  ConnectionName id;  // its acceptor's
  std::string listener;
  Endpoint peer;
  std::optional<Endpoint> client;  // as a PROXY header told
  bool fresh = false;              // no byte of a request has ever come
  std::uint64_t requests = 0;      // begun before; the pending one is not among them
  std::chrono::microseconds age{0};
  std::optional<std::chrono::microseconds> left = {};  // of its deadline
  std::chrono::microseconds pending_for{0};            // since the first byte of `pending`
  std::string pending;                                 // received, and not read as a request
  std::string state;                                   // the embedder's
  bool operator==(const CarriedConnection&) const = default;
};

// Taker to giver
struct OpenPeer {  // first, and once: so many connections are welcome
  std::size_t credit = 0;
  bool operator==(const OpenPeer&) const = default;
};
struct AnswerOffer {
  std::uint64_t batch = 0;
  std::vector<std::uint32_t> taken;  // by their place in the offer; the others stay with the giver
  std::size_t credit = 0;            // for the next one; 0: offer nothing more
  bool operator==(const AnswerOffer&) const = default;
};

// Giver to taker
struct Offer {
  std::uint64_t batch = 0;
  std::uint64_t generation = 0;  // the giver's
  std::vector<CarriedConnection> connections;
  bool operator==(const Offer&) const = default;
};
struct ReleaseOffer {  // what was taken is the taker's from now on
  std::uint64_t batch = 0;
  bool operator==(const ReleaseOffer&) const = default;
};
struct CancelOffer {  // what was offered stays with the giver
  std::uint64_t batch = 0;
  bool operator==(const CancelOffer&) const = default;
};

using HandoffMessage = std::variant<OpenPeer, AnswerOffer, Offer, ReleaseOffer, CancelOffer>;

std::string encode(const HandoffMessage& message);
Result<HandoffMessage> decode_handoff(std::string_view datagram);

// What a connection adds to an offer, at most.
std::size_t encoded_size(const CarriedConnection& connection);

}  // namespace holdfast::worker
