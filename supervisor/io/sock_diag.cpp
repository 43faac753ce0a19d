#include "supervisor/io/sock_diag.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>

namespace holdfast::supervisor {
namespace {

void dump(std::uint8_t family, std::uint32_t states,
          const std::function<void(const inet_diag_msg&)>& show) {
  inet_diag_req_v2 body{};
  body.sdiag_family = family;
  body.idiag_states = states;
  const UniqueFd netlink = ask_about_sockets(body, NLM_F_DUMP);
  if (!netlink) return;
  std::array<char, 16 * 1024> buffer{};
  for (;;) {
    const ssize_t size = ::recv(netlink.get(), buffer.data(), buffer.size(), 0);
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

UniqueFd ask_about_sockets(const inet_diag_req_v2& body, std::uint16_t flags) {
  struct {
    nlmsghdr head;
    inet_diag_req_v2 body;
  } request{{}, body};
  request.head.nlmsg_len = sizeof request;
  request.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
  request.head.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  request.body.sdiag_protocol = IPPROTO_TCP;
  UniqueFd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!netlink) return netlink;
  const timeval patience{0, 100'000};
  ::setsockopt(netlink.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::send(netlink.get(), &request, sizeof request, 0) < 0) netlink.reset();
  return netlink;
}

void for_each_tcp_socket(std::uint32_t states,
                         const std::function<void(const inet_diag_msg&)>& show) {
  dump(AF_INET, states, show);
  dump(AF_INET6, states, show);
}

}  // namespace holdfast::supervisor
