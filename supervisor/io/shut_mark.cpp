#include "supervisor/io/shut_mark.hpp"

#include <array>
#include <cstdint>
#include <cstring>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "supervisor/io/sock_diag.hpp"

namespace holdfast::supervisor {
namespace {

// One socket, found by its address: the answer costs the same however many sockets there are.
bool look_up(int listener, inet_diag_req_v2& request) {
  union {
    sockaddr any;
    sockaddr_in v4;
    sockaddr_in6 v6;
  } own{};
  socklen_t size = sizeof own;
  if (::getsockname(listener, &own.any, &size) != 0) return false;
  request.sdiag_family = static_cast<std::uint8_t>(own.any.sa_family);
  inet_diag_sockid& id = request.id;
  for (auto& half : id.idiag_cookie) half = ~std::uint32_t{0};  // INET_DIAG_NOCOOKIE
  if (own.any.sa_family == AF_INET) {
    id.idiag_sport = own.v4.sin_port;
    id.idiag_src[0] = own.v4.sin_addr.s_addr;
    return true;
  }
  id.idiag_sport = own.v6.sin6_port;
  std::memcpy(id.idiag_src, &own.v6.sin6_addr, sizeof id.idiag_src);
  return own.any.sa_family == AF_INET6;
}

}  // namespace

bool is_marked_shut(int listener) {
  inet_diag_req_v2 request{};
  struct stat file {};
  if (!look_up(listener, request) || ::fstat(listener, &file) != 0) return false;
  const UniqueFd netlink = ask_about_sockets(request);
  if (!netlink) return false;
  alignas(nlmsghdr) std::array<char, 4096> buffer{};
  const ssize_t got = ::recv(netlink.get(), buffer.data(), buffer.size(), 0);
  constexpr std::size_t kEntry = NLMSG_SPACE(sizeof(inet_diag_msg));
  if (got < static_cast<ssize_t>(kEntry)) return false;
  nlmsghdr head{};
  inet_diag_msg entry{};
  std::memcpy(&head, buffer.data(), sizeof head);
  std::memcpy(&entry, buffer.data() + NLMSG_HDRLEN, sizeof entry);
  // With SO_REUSEPORT another socket may have the address too.
  if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY || entry.idiag_inode != file.st_ino) return false;
  for (std::size_t at = kEntry; at + RTA_LENGTH(1) <= static_cast<std::size_t>(got);) {
    rtattr attribute{};
    std::memcpy(&attribute, buffer.data() + at, sizeof attribute);
    if (attribute.rta_len < RTA_LENGTH(0)) return false;
    if (attribute.rta_type == INET_DIAG_SHUTDOWN) return buffer[at + RTA_LENGTH(0)] != 0;
    at += RTA_ALIGN(attribute.rta_len);
  }
  return false;
}

}  // namespace holdfast::supervisor
