#include "supervisor/io/socket_dump.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "shared/io/unique_fd.hpp"

namespace holdfast::supervisor {
namespace {

struct DumpRequest {
  nlmsghdr head;
  inet_diag_req_v2 body;
};

void dump(int netlink, std::uint8_t family, std::uint32_t states,
          const std::function<void(const inet_diag_msg&)>& show) {
  DumpRequest request{};
  request.head.nlmsg_len = sizeof request;
  request.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.body.sdiag_family = family;
  request.body.sdiag_protocol = IPPROTO_TCP;
  request.body.idiag_states = states;
  if (::send(netlink, &request, sizeof request, 0) < 0) return;
  std::array<char, 16 * 1024> buffer{};
  for (;;) {
    const ssize_t size = ::recv(netlink, buffer.data(), buffer.size(), 0);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return;
    for (std::size_t at = 0; at + sizeof(nlmsghdr) <= static_cast<std::size_t>(size);) {
      nlmsghdr head{};
      std::memcpy(&head, buffer.data() + at, sizeof head);
      if (head.nlmsg_type == NLMSG_DONE || head.nlmsg_type == NLMSG_ERROR) return;
      if (head.nlmsg_len < sizeof head + sizeof(inet_diag_msg)) return;
      inet_diag_msg entry{};
      std::memcpy(&entry, buffer.data() + at + NLMSG_HDRLEN, sizeof entry);
      show(entry);
      at += NLMSG_ALIGN(head.nlmsg_len);
    }
  }
}

}  // namespace

void for_each_tcp_socket(std::uint32_t states,
                         const std::function<void(const inet_diag_msg&)>& show) {
  const UniqueFd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) return;
  const timeval patience{0, 100'000};
  ::setsockopt(netlink.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  dump(netlink.get(), AF_INET, states, show);
  dump(netlink.get(), AF_INET6, states, show);
}

}  // namespace holdfast::supervisor
