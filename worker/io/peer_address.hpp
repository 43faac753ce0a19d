// Where a connection comes from, in 20 bytes; text is made only when somebody asks.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <sys/socket.h>

#include "worker/core/ip_address.hpp"

namespace holdfast::worker {

class PeerAddress {
 public:
  using Text = std::array<char, 48>;

  PeerAddress() = default;  // a Unix peer
  static PeerAddress from(const sockaddr_storage& address);
  static PeerAddress from(const IpAddress& address, std::uint16_t port);

  std::optional<IpAddress> address() const;  // nothing of a Unix peer

  // "192.0.2.1" (also for v4-mapped), "2001:db8::1", "unix:". The view points into `text` or at a
  // literal.
  std::string_view ip(Text& text) const;
  std::uint16_t port() const { return port_; }

 private:
  enum class Family : std::uint8_t { Unix, V4, V6 };
  std::array<std::uint8_t, 16> bytes_{};
  std::uint16_t port_ = 0;
  Family family_ = Family::Unix;
};

}  // namespace holdfast::worker
