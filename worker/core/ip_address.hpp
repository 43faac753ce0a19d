// An IPv4 or IPv6 address as a value, and networks of them. An IPv4 address mapped into IPv6
// (::ffff:192.0.2.1) is the IPv4 address: both name one host.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "shared/core/result.hpp"

namespace holdfast::worker {

struct IpAddress {
  std::array<std::uint8_t, 16> bytes{};  // the first four where it is IPv4, the rest zero
  bool v6 = false;
  bool operator==(const IpAddress&) const = default;

  static IpAddress from_v4(std::span<const std::uint8_t, 4> bytes);
  static IpAddress from_v6(std::span<const std::uint8_t, 16> bytes);
  // Without brackets, port or zone: "192.0.2.1", "2001:db8::1".
  static std::optional<IpAddress> parse(std::string_view text);
};

struct IpNetwork {
  IpAddress address;
  std::uint8_t prefix = 0;  // bits

  // "10.0.0.0/8", "2001:db8::/32"; a lone address is a network of one. Bits behind the prefix are
  // an error: whoever wrote them meant something else.
  static Result<IpNetwork> parse(std::string_view text);
  bool contains(const IpAddress& other) const;
};

}  // namespace holdfast::worker
