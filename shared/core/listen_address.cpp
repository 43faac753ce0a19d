#include "shared/core/listen_address.hpp"

#include <arpa/inet.h>
#include <charconv>

#include "shared/core/overloaded.hpp"

namespace holdfast {
namespace {

constexpr std::size_t kMaxUnixPath = 107;  // sun_path is 108 bytes with its NUL (unix(7))
constexpr std::size_t kMaxName = 64;

Error bad(std::string_view text, std::string_view cause) {
  return plain_error("parse address '" + std::string(text) + "'", cause);
}

bool numeric_host(const std::string& host, int family) {
  in6_addr storage{};
  return inet_pton(family, host.c_str(), &storage) == 1;
}

Result<std::uint16_t> parse_port(std::string_view text, std::string_view port) {
  std::uint32_t value = 0;
  const auto [end, failed] = std::from_chars(port.data(), port.data() + port.size(), value);
  if (port.empty() || failed != std::errc{} || end != port.data() + port.size() || value > 65535) {
    return bad(text, "the port must be a number from 0 to 65535");
  }
  return static_cast<std::uint16_t>(value);
}

Result<ListenAddress> parse_unix(std::string_view text, std::string_view rest) {
  UnixAddress address;
  const std::size_t comma = rest.find(',');
  address.path = rest.substr(0, comma);
  if (address.path.empty() || (address.path.front() != '/' && address.path.front() != '@')) {
    return bad(text, "a Unix socket's path must be absolute, or begin with @");
  }
  if (address.path.size() > kMaxUnixPath)
    return bad(text, "a Unix socket's path has at most 107 bytes");
  if (address.path == "@") return bad(text, "the abstract name is empty");
  for (std::size_t at = comma; at != std::string_view::npos;) {
    const std::size_t end = rest.find(',', at + 1);
    const std::string_view option = rest.substr(at + 1, end - at - 1);
    at = end;
    if (option.empty()) return bad(text, "an option is missing after the comma");
    const std::size_t equals = option.find('=');
    const std::string_view key = option.substr(0, equals);
    const std::string_view value =
        equals == std::string_view::npos ? std::string_view{} : option.substr(equals + 1);
    if (value.empty()) return bad(text, "option '" + std::string(key) + "' needs a value");
    if (key == "mode") {
      std::uint32_t mode = 0;
      const auto [last, failed] =
          std::from_chars(value.data(), value.data() + value.size(), mode, 8);
      if (failed != std::errc{} || last != value.data() + value.size() || mode > 0777) {
        return bad(text, "mode must be octal, from 0 to 0777");
      }
      address.mode = mode;
    } else if (key == "user") {
      address.user = value;
    } else if (key == "group") {
      address.group = value;
    } else {
      return bad(text, "unknown option '" + std::string(key) + "'; known are mode, user, group");
    }
  }
  return ListenAddress{address};
}

bool valid_name(std::string_view name) {
  if (name.empty() || name.size() > kMaxName) return false;
  for (const char c : name) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '_' || c == '.' || c == '-';
    if (!good) return false;
  }
  return true;
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  // The kernel would read a text up to its NUL only (JSON can hold one, as \u0000).
  if (text.find('\0') != std::string_view::npos) return bad(text, "it contains a NUL byte");
  if (text.starts_with("unix:")) return parse_unix(text, text.substr(5));
  TcpAddress address;
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos)
    return bad(text, "expected host:port, :port, [v6]:port or unix:/path");
  std::string_view host = text.substr(0, colon);
  const auto port = parse_port(text, text.substr(colon + 1));
  if (!port) return port.error();
  address.port = *port;
  if (host.starts_with('[')) {
    if (!host.ends_with(']')) return bad(text, "the bracket of the IPv6 address is not closed");
    address.host = host.substr(1, host.size() - 2);
    if (!numeric_host(address.host, AF_INET6))
      return bad(text, "not an IPv6 address between the brackets");
  } else if (!host.empty()) {
    address.host = host;
    if (!numeric_host(address.host, AF_INET)) {
      return bad(text, host.find(':') != std::string_view::npos
                           ? "an IPv6 address needs brackets, like [::1]:8080"
                           : "the host must be a numeric address");
    }
  }
  return ListenAddress{address};
}

Result<ListenerSpec> parse_listener_spec(std::string_view text) {
  ListenerSpec spec;
  const std::size_t equals = text.find('=');
  std::string_view address = text;
  if (equals != std::string_view::npos &&
      text.substr(0, equals).find_first_of(":/@,") == std::string_view::npos) {
    if (!valid_name(text.substr(0, equals))) {
      return bad(text, "a listener's name has 1 to 64 characters of A-Z a-z 0-9 _ . -");
    }
    spec.name = text.substr(0, equals);
    address = text.substr(equals + 1);
  }
  HOLDFAST_ASSIGN(spec.address, parse_listen_address(address));
  return spec;
}

std::string to_string(const ListenAddress& address) {
  return std::visit(overloaded{[](const TcpAddress& tcp) {
                                 const bool v6 = tcp.host.find(':') != std::string::npos;
                                 return (v6 ? "[" + tcp.host + "]" : tcp.host) + ":" +
                                        std::to_string(tcp.port);
                               },
                               [](const UnixAddress& local) { return "unix:" + local.path; }},
                    address);
}

}  // namespace holdfast
