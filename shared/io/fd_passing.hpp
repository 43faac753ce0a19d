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
  bool fds_lost = false;  // MSG_CTRUNC: not all of them arrived; only with LostFds::Tell
};

// What it means that the receiver is short of descriptors.
enum class LostFds { Fail, Tell };

// At most kMaxControlFds descriptors. Returns false when the socket's buffer is full (nothing was
// sent).
Result<bool> send_datagram(int socket, std::string_view bytes, std::span<const int> fds);

// A datagram larger than `max_bytes` is an error, and with LostFds::Fail one whose descriptors did
// not all arrive (MSG_CTRUNC: the receiver is out of descriptors); those that did arrive are
// closed.
Result<Datagram> receive_datagram(int socket, std::size_t max_bytes, LostFds lost = LostFds::Fail);

}  // namespace holdfast
