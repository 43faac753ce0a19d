#include "worker/io/local_address.hpp"

#include <cstddef>
#include <cstring>
#include <sys/socket.h>
#include <sys/un.h>

#include "worker/io/peer_address.hpp"

namespace holdfast::worker {
namespace {

// unix(7), "Address format".
std::string unix_name(const sockaddr_storage& address, socklen_t size) {
  sockaddr_un un{};
  std::memcpy(&un, &address, sizeof un);
  constexpr std::size_t kBefore = offsetof(sockaddr_un, sun_path);
  if (size <= kBefore) return "unix:";
  if (un.sun_path[0] != '\0') return "unix:" + std::string(un.sun_path);
  return "unix:@" + std::string(un.sun_path + 1, size - kBefore - 1);
}

}  // namespace

std::string local_address(int fd) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
  if (address.ss_family == AF_UNIX) return unix_name(address, size);
  const PeerAddress tcp = PeerAddress::from(address);
  PeerAddress::Text text{};
  const std::string ip(tcp.ip(text));
  const std::string port = ":" + std::to_string(tcp.port());
  return ip.find(':') == std::string::npos ? ip + port : "[" + ip + "]" + port;
}

}  // namespace holdfast::worker
