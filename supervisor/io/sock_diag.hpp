// TCP sockets as sock_diag(7) knows them: the kernel filters, so the answer is short however many
// connections live or have just ended. /proc/net/tcp has them all.
#pragma once

#include <cstdint>
#include <functional>
#include <linux/inet_diag.h>

#include "shared/io/unique_fd.hpp"

namespace holdfast::supervisor {

// Sends a request about TCP sockets, with the flags of netlink(7); the answer is read from what is
// returned, and waited for for at most 100 ms. Empty where the kernel does not take it.
UniqueFd ask_about_sockets(const inet_diag_req_v2& body, std::uint16_t flags = 0);

// `states` has bit 1 << TCP_LISTEN and so on. Nobody is shown where the kernel does not answer.
void for_each_tcp_socket(std::uint32_t states,
                         const std::function<void(const inet_diag_msg&)>& show);

}  // namespace holdfast::supervisor
