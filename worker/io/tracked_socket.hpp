// What the kernel tells of a connection whose bytes another server reads. A descriptor below 0 is
// none.
#pragma once

#include <cstdint>

#include "holdfast/worker/connection_tracker.hpp"

namespace holdfast::worker {

// Bytes the peer has ever sent (tcp(7), TCP_INFO); 0 where the kernel does not count them, as on
// Unix sockets.
std::uint64_t bytes_received(int fd);

// Nothing of a request is there: neither in the socket's queue nor, as far as the kernel knows, in
// the server's own buffer. A server that has read half of a head looks idle from outside.
bool is_quiet(int fd, std::uint64_t received);

// What has been received of the requests that are answered already.
std::uint64_t bytes_answered(const TakenConnection& taken);

// Sets where it comes from; false: it is gone already.
bool put_address(TakenConnection& given);

}  // namespace holdfast::worker
