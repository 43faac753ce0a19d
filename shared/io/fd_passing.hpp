// One datagram and the descriptors that travel with it (SCM_RIGHTS, unix(7)) over a nonblocking
// SOCK_SEQPACKET socket. Received descriptors are CLOEXEC and owned by the result, so whatever the
// caller does not take is closed.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast {

struct Datagram {
  enum class Kind { Data, WouldBlock, Eof };
  Kind kind = Kind::WouldBlock;
  std::string bytes;
  std::vector<UniqueFd> fds;
};

// At most kMaxControlFds descriptors. Returns false when the socket's buffer is full (nothing was
// sent).
Result<bool> send_datagram(int socket, std::string_view bytes, std::span<const int> fds);

// A datagram larger than `max_bytes`, or one whose descriptors did not all arrive (MSG_CTRUNC: the
// receiver is out of descriptors), is an error; the descriptors that did arrive are closed.
Result<Datagram> receive_datagram(int socket, std::size_t max_bytes);

}  // namespace holdfast
