#include "worker/core/ip_address.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <string>

namespace holdfast::worker {
namespace {

constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool bit(const IpAddress& address, std::size_t i) {
  return (address.bytes[i / 8] >> (7 - i % 8) & 1) != 0;
}

}  // namespace

IpAddress IpAddress::from_v4(std::span<const std::uint8_t, 4> bytes) {
  IpAddress address;
  std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
  return address;
}

IpAddress IpAddress::from_v6(std::span<const std::uint8_t, 16> bytes) {
  if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) return from_v4(bytes.last<4>());
  IpAddress address;
  address.v6 = true;
  std::copy(bytes.begin(), bytes.end(), address.bytes.begin());
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.size() >= terminated.size() || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  std::copy(text.begin(), text.end(), terminated.begin());
  std::array<std::uint8_t, 16> v6{};
  if (::inet_pton(AF_INET6, terminated.data(), v6.data()) == 1) return from_v6(v6);
  std::array<std::uint8_t, 4> v4{};
  if (::inet_pton(AF_INET, terminated.data(), v4.data()) == 1) return from_v4(v4);
  return std::nullopt;
}

Result<IpNetwork> IpNetwork::parse(std::string_view text) {
  const std::string verb_object = "use the network " + std::string(text);
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return plain_error(verb_object, "not an IP address");
  const std::uint8_t most = address->v6 ? 128 : 32;
  std::uint8_t prefix = most;
  if (slash != std::string_view::npos) {
    const std::string_view bits = text.substr(slash + 1);
    const auto [end, failed] = std::from_chars(bits.data(), bits.data() + bits.size(), prefix);
    if (failed != std::errc{} || end != bits.data() + bits.size() || prefix > most)
      return plain_error(verb_object, "the prefix is not 0 to " + std::to_string(most));
  }
  for (std::size_t i = prefix; i < most; ++i) {
    if (bit(*address, i)) return plain_error(verb_object, "the address has bits behind the prefix");
  }
  return IpNetwork{*address, prefix};
}

bool IpNetwork::contains(const IpAddress& other) const {
  if (other.v6 != address.v6) return false;
  for (std::size_t i = 0; i < prefix; ++i) {
    if (bit(address, i) != bit(other, i)) return false;
  }
  return true;
}

}  // namespace holdfast::worker
