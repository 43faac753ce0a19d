// Where to listen, as a value: `127.0.0.1:8080`, `[::1]:8080`, `:8080` (dual stack),
// `unix:/path[,mode=0660,user=U, group=G]`, `unix:@abstract`, each optionally named:
// `admin=127.0.0.1:9000`. Parsing resolves no names and touches no system; port 0 means "any free
// port".
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "shared/core/result.hpp"

namespace holdfast {

struct TcpAddress {
  std::string host;  // a numeric IPv4 or IPv6 address without brackets; empty: every interface,
                     // both families
  std::uint16_t port = 0;
  bool operator==(const TcpAddress&) const = default;
};

struct UnixAddress {
  std::string path;  // begins with '@' for the abstract namespace; at most 107 bytes
  std::optional<std::uint32_t> mode;
  std::string user;
  std::string group;
  bool abstract() const { return !path.empty() && path.front() == '@'; }
  bool operator==(const UnixAddress&) const = default;
};

using ListenAddress = std::variant<TcpAddress, UnixAddress>;

struct ListenerSpec {
  std::string name = "http";  // [A-Za-z0-9_.-], at most 64
  ListenAddress address;
  bool operator==(const ListenerSpec&) const = default;
};

Result<ListenAddress> parse_listen_address(std::string_view text);

// `[NAME=]ADDRESS`; a NAME never contains ':' or '/', so `unix:/a,mode=0600` is not mistaken for a
// named one.
Result<ListenerSpec> parse_listener_spec(std::string_view text);

// The address as the parser takes it, without a Unix socket's options: "127.0.0.1:80", "[::1]:80",
// ":80", "unix:/p".
std::string to_string(const ListenAddress& address);

}  // namespace holdfast
