// Who the client behind trusted proxies is, from X-Forwarded-For. Each proxy appends the address
// that it saw, so the field is read from its end: as long as the address that vouches for an
// element is trusted, the element is believed. What a client wrote there itself is never reached.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/core/result.hpp"
#include "worker/core/ip_address.hpp"

namespace holdfast::worker {

class TrustedProxies {
 public:
  // Networks as IpNetwork::parse reads them, and "unix:" for the peers of Unix sockets.
  static Result<TrustedProxies> parse(const std::vector<std::string>& networks);

  bool empty() const { return networks_.empty() && !unix_; }
  bool trusts(const std::optional<IpAddress>& peer) const;  // nothing: the peer of a Unix socket

 private:
  std::vector<IpNetwork> networks_;
  bool unix_ = false;
};

// One element: "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:4711".
std::optional<IpAddress> parse_forwarded(std::string_view element);

// Walks the field from its end. Give the fields in reverse order: the last one first.
class ForwardedWalk {
 public:
  ForwardedWalk(const TrustedProxies& trusted, const std::optional<IpAddress>& peer)
      : trusted_(trusted), going_(trusted.trusts(peer)) {}

  void field(std::string_view value);
  bool going() const { return going_; }

  // The nearest address that is not trusted, or the farthest that could be reached: an element that
  // is no address ends the walk. Nothing when the peer told nothing, or is not trusted.
  const std::optional<IpAddress>& client() const { return client_; }

 private:
  const TrustedProxies& trusted_;
  bool going_;
  std::optional<IpAddress> client_;
};

}  // namespace holdfast::worker
