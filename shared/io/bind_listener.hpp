// Creates a listening socket: SO_REUSEADDR, CLOEXEC, nonblocking, backlog 4096. The supervisor
// binds for its workers; a worker that runs alone binds for itself.
#pragma once

#include <cstdint>
#include <string>
#include <sys/types.h>

#include "shared/core/listen_address.hpp"
#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast {

struct BoundListener {
  UniqueFd fd;
  std::string address;     // as to_string(ListenAddress), with the port that port 0 became
  std::uint16_t port = 0;  // 0: a Unix socket
  std::string path;        // of a Unix socket in the file system
  dev_t device = 0;
  ino_t inode = 0;
};

// Whether clients who look for its path find it; true where it has none.
bool is_at_its_path(const BoundListener& listener);

// Error::code is EADDRINUSE when somebody else listens there. A Unix path whose socket refuses a
// connect is stale and is replaced; a live one, and anything that is not a socket, is left alone
// and an error. `:PORT` listens on IPv6 and IPv4 in one socket, or on IPv4 where the kernel has no
// IPv6.
Result<BoundListener> bind_listener(const ListenAddress& address);

// For a TCP listener that somebody shut down: the same socket, so that those who share it need not
// know, under the address that it had.
Result<void> listen_again(int listener, const TcpAddress& address);

// What every connection of a TCP listener inherits (tcp(7)), those included that wait in its queue,
// if it is set before listen(2): small answers leave at once, and a peer that vanished from a
// stream without timeouts (an event stream, a WebSocket) is found in minutes instead of two hours.
// On other sockets it does nothing.
void set_connection_options(int listener);

// Removes `path` if it still is the socket that was bound there; a successor's socket is left
// alone. Call it before the socket is closed: afterwards a successor can get the same inode.
Result<void> unlink_own_socket(const std::string& path, dev_t device, ino_t inode);

}  // namespace holdfast
