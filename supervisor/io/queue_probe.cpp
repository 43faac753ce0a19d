#include "supervisor/io/queue_probe.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "shared/io/unique_fd.hpp"

namespace holdfast::supervisor {
namespace {

struct DumpRequest {
  nlmsghdr head;
  inet_diag_req_v2 body;
};

// sock_diag(7): the kernel filters by state, so the answer is short however many connections live.
std::uint64_t count_half_open(int netlink, std::uint8_t family,
                              const std::vector<std::uint16_t>& ports) {
  DumpRequest request{};
  request.head.nlmsg_len = sizeof request;
  request.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.sdiag_family = family;
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = 1U << TCP_SYN_RECV;
  if (::send(netlink, &request, sizeof request, 0) < 0) return 0;
  std::uint64_t count = 0;
  std::array<char, 16 * 1024> buffer{};
  for (;;) {
    const ssize_t size = ::recv(netlink, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return count;
    for (std::size_t at = 0; at + sizeof(nlmsghdr) <= static_cast<std::size_t>(size);) {
      nlmsghdr head{};
      std::memcpy(&head, buffer.data() + at, sizeof head);
      if (head.nlmsg_type == NLMSG_DONE || head.nlmsg_type == NLMSG_ERROR) return count;
      if (head.nlmsg_len < sizeof head + sizeof(inet_diag_msg)) return count;
      inet_diag_msg entry{};
      std::memcpy(&entry, buffer.data() + at + NLMSG_HDRLEN, sizeof entry);
      count += static_cast<std::uint64_t>(std::ranges::count(ports, ntohs(entry.id.idiag_sport)));
      at += NLMSG_ALIGN(head.nlmsg_len);
    }
  }
}

}  // namespace

std::uint64_t queued_connections(int listener) {
  tcp_info info{};
  socklen_t size = sizeof info;
  // On a listening socket tcpi_unacked is the length of the accept queue (tcp_get_info in the
  // kernel's net/ipv4/tcp.c).
  if (::getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &size) == 0) return info.tcpi_unacked;
  pollfd entry{listener, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & POLLIN) != 0 ? 1 : 0;
}

std::uint64_t half_open_connections(const std::vector<std::uint16_t>& ports) {
  if (ports.empty()) return 0;
  const UniqueFd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) return 0;
  const timeval patience{0, 100'000};
  ::setsockopt(netlink.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  return count_half_open(netlink.get(), AF_INET, ports) +
         count_half_open(netlink.get(), AF_INET6, ports);
}

}  // namespace holdfast::supervisor
