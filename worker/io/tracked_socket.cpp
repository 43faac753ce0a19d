#include "worker/io/tracked_socket.hpp"

#include <algorithm>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "worker/io/peer_address.hpp"

namespace holdfast::worker {

std::uint64_t bytes_received(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (fd < 0 || ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.tcpi_bytes_received;
}

bool is_quiet(int fd, std::uint64_t received) {
  if (fd < 0) return false;
  int unread = 0;
  if (::ioctl(fd, FIONREAD, &unread) == 0 && unread > 0) return false;
  return bytes_received(fd) == received;
}

std::uint64_t bytes_answered(const TakenConnection& taken) {
  int unread = 0;
  ::ioctl(taken.fd, FIONREAD, &unread);
  const std::uint64_t ahead = static_cast<std::uint64_t>(unread) + taken.pending.size();
  const std::uint64_t received = bytes_received(taken.fd);
  return received - std::min(received, ahead);
}

bool put_address(TakenConnection& given) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(given.fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return false;
  if (address.ss_family == AF_UNIX) return true;
  const PeerAddress peer = PeerAddress::from(address);
  PeerAddress::Text text{};
  given.remote_address = peer.ip(text);
  given.remote_port = peer.port();
  return true;
}

}  // namespace holdfast::worker
