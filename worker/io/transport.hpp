// The only way by which a connection's bytes come and go: the socket itself, or TLS over it. Errors
// are those of recv(2) and send(2) on a nonblocking socket; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <sys/types.h>

namespace holdfast::worker {

struct Connection;

// As recv(2). `more`: it stopped before the kernel had nothing left, so no new edge will tell
// (epoll(7), EPOLLET). `size` is at least kReceiveSize.
inline constexpr std::size_t kReceiveSize = 64 * 1024;
ssize_t receive(Connection& connection, char* into, std::size_t size, bool& more);

// As send(2), never SIGPIPE. `more`: something follows at once (MSG_MORE).
ssize_t transmit(Connection& connection, const char* bytes, std::size_t size, bool more);

// From a file at `offset`, which moves; 0: the file is shorter than that.
ssize_t transmit_file(Connection& connection, int file, off_t& offset, std::size_t size);
bool can_transmit_files(const Connection& connection);

// Something of the peer is here. Over TLS it may turn out to be no byte of a request.
bool bytes_waiting(const Connection& connection);
// It has left the kernel, so that no poll sees it.
bool held_bytes(const Connection& connection);

// Of what was sent: how much the peer's kernel has not acknowledged, or the peer not read.
std::uint64_t untaken_bytes(const Connection& connection);

// The peer sees the end of what we send; what it still sends can be read.
void end_output(Connection& connection);
// The peer will see a reset, and neither FIN nor close_notify before it.
void reset_at_close(Connection& connection);

}  // namespace holdfast::worker
