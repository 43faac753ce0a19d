#include "worker/io/peer_address.hpp"

#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <netinet/in.h>

namespace holdfast::worker {

PeerAddress PeerAddress::from(const sockaddr_storage& address) {
  PeerAddress peer;
  if (address.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &address, sizeof v4);
    peer.family_ = Family::V4;
    peer.port_ = ntohs(v4.sin_port);
    std::memcpy(peer.bytes_.data(), &v4.sin_addr, 4);
  } else if (address.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &address, sizeof v6);
    peer.port_ = ntohs(v6.sin6_port);
    if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
      peer.family_ = Family::V4;
      std::memcpy(peer.bytes_.data(), v6.sin6_addr.s6_addr + 12, 4);
    } else {
      peer.family_ = Family::V6;
      std::memcpy(peer.bytes_.data(), &v6.sin6_addr, 16);
    }
  }
  return peer;
}

PeerAddress PeerAddress::from(const IpAddress& address, std::uint16_t port) {
  PeerAddress peer;
  peer.family_ = address.v6 ? Family::V6 : Family::V4;
  peer.bytes_ = address.bytes;
  peer.port_ = port;
  return peer;
}

std::optional<IpAddress> PeerAddress::address() const {
  if (family_ == Family::Unix) return std::nullopt;
  return IpAddress{bytes_, family_ == Family::V6};
}

std::string_view PeerAddress::ip(Text& text) const {
  if (family_ == Family::Unix) return "unix:";
  if (family_ == Family::V6) return ::inet_ntop(AF_INET6, bytes_.data(), text.data(), text.size());
  // Every request asks, and inet_ntop formats through printf: a tenth of its instructions.
  char* at = text.data();
  for (std::size_t i = 0; i < 4; ++i) {
    if (i != 0) *at++ = '.';
    at = std::to_chars(at, text.data() + text.size(), unsigned{bytes_[i]}).ptr;
  }
  return {text.data(), static_cast<std::size_t>(at - text.data())};
}

}  // namespace holdfast::worker
