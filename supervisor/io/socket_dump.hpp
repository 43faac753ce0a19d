// The TCP sockets in some of their states, from sock_diag(7): the kernel filters, so the answer is
// short however many connections live or have just ended. /proc/net/tcp has them all.
#pragma once

#include <cstdint>
#include <functional>
#include <linux/inet_diag.h>

namespace holdfast::supervisor {

// `states` has bit 1 << TCP_LISTEN and so on. Nobody is shown where the kernel does not answer.
void for_each_tcp_socket(std::uint32_t states,
                         const std::function<void(const inet_diag_msg&)>& show);

}  // namespace holdfast::supervisor
