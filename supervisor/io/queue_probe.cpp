#include "supervisor/io/queue_probe.hpp"

#include <algorithm>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "supervisor/io/sock_diag.hpp"

namespace holdfast::supervisor {

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
  std::uint64_t count = 0;
  for_each_tcp_socket(1U << TCP_SYN_RECV, [&](const inet_diag_msg& socket) {
    count += static_cast<std::uint64_t>(std::ranges::count(ports, ntohs(socket.id.idiag_sport)));
  });
  return count;
}

}  // namespace holdfast::supervisor
