#include "tests/support/load_client_socket.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdexcept>
#include <sys/un.h>
#include <system_error>
#include <unistd.h>

namespace holdfast::testing {
namespace {

const sockaddr* generic(const sockaddr_storage& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

[[noreturn]] void reject(std::string_view address) {
  throw std::invalid_argument("cannot parse target '" + std::string(address) + "'");
}

socklen_t unix_address(std::string_view path, sockaddr_storage& storage) {
  auto& address = reinterpret_cast<sockaddr_un&>(storage);
  if (path.empty() || path.size() >= sizeof address.sun_path) reject(path);
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  const bool abstract = path.front() == '@';
  if (abstract) address.sun_path[0] = '\0';
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 0 : 1));
}

socklen_t inet_address(std::string_view text, sockaddr_storage& storage) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) reject(text);
  std::uint16_t port = 0;
  const std::string_view digits = text.substr(colon + 1);
  if (std::from_chars(digits.data(), digits.data() + digits.size(), port).ec != std::errc()) {
    reject(text);
  }
  std::string host(text.substr(0, colon));
  if (host.empty() || host == "localhost") host = "127.0.0.1";
  if (host.front() == '[' && host.back() == ']') {
    auto& address = reinterpret_cast<sockaddr_in6&>(storage);
    address.sin6_family = AF_INET6;
    address.sin6_port = htons(port);
    if (inet_pton(AF_INET6, host.substr(1, host.size() - 2).c_str(), &address.sin6_addr) != 1) {
      reject(text);
    }
    return sizeof address;
  }
  auto& address = reinterpret_cast<sockaddr_in&>(storage);
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) reject(text);
  return sizeof address;
}

}  // namespace

int pending_error(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

int local_port(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (fd < 0 || getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
  if (address.ss_family == AF_INET6) {
    return ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port);
  }
  return 0;
}

Idle probe_idle(int fd) {
  char byte = 0;
  const ssize_t n = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n > 0) return Idle::Bytes;
  if (n == 0) return Idle::Closed;
  return errno == EAGAIN || errno == EINTR ? Idle::Quiet : Idle::Reset;
}

Target::Target(std::string_view address) {
  if (address.starts_with("unix:")) {
    length_ = unix_address(address.substr(5), address_);
    host_ = "localhost";
  } else {
    length_ = inet_address(address, address_);
    host_ = address.starts_with(':') ? "localhost" + std::string(address) : std::string(address);
  }
}

int Target::connect(UniqueFd& socket) {
  for (int attempt = 0; attempt < 64; ++attempt) {
    socket = UniqueFd(::socket(address_.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket) {
      throw std::system_error(errno, std::generic_category(), "cannot open socket");
    }
    if (!is_unix()) {
      const int on = 1;
      setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    if (source_ > 1) bind_next_source(socket.get());
    if (::connect(socket.get(), generic(address_), length_) == 0) return 0;
    if (errno != EADDRNOTAVAIL) return errno;
    // Our own TIME_WAIT sockets hold all ports of this source address; no packet has left yet, so
    // another source is not a retry.
    ++source_;
  }
  throw std::system_error(EADDRNOTAVAIL, std::generic_category(), "cannot find a free local port");
}

bool Target::bind_next_source(int fd) {
  if (address_.ss_family != AF_INET) return false;
  sockaddr_in source{};
  source.sin_family = AF_INET;
  source.sin_addr.s_addr = htonl(0x7f000000U + source_);
  // The port is chosen by connect(), so that it need only be free towards this one target.
  const int on = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  return bind(fd, reinterpret_cast<const sockaddr*>(&source), sizeof source) == 0;
}

}  // namespace holdfast::testing
