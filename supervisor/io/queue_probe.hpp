// How many clients are between connect(2) and accept(2), as the kernel counts them. Never fails:
// what cannot be read counts as nobody, because a stop must not wait for what it cannot see.
#pragma once

#include <cstdint>
#include <vector>

namespace holdfast::supervisor {

// Connections in the accept queue; for a Unix listener 1 stands for any number.
std::uint64_t queued_connections(int listener);

// Handshakes on these local ports that wait for the client's ACK (SYN_RECV).
std::uint64_t half_open_connections(const std::vector<std::uint16_t>& ports);

}  // namespace holdfast::supervisor
