#include "supervisor/io/syn_filter.hpp"

#include <array>
#include <cerrno>
#include <linux/filter.h>
#include <sys/socket.h>

namespace holdfast::supervisor {

Result<void> drop_new_connections(int listener) {
  // A TCP socket's filter sees the segment from its TCP header on: byte 13 holds the flags
  // (RFC 9293, 3.1), 0x02 is SYN, 0x10 is ACK. A SYN without ACK opens a connection.
  std::array<sock_filter, 5> program{{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x12),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x02, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::setsockopt(listener, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) != 0) {
    return errno_error("attach a SYN filter", errno);
  }
  return {};
}

Result<void> let_connections_in(int listener) {
  const int unused = 0;
  if (::setsockopt(listener, SOL_SOCKET, SO_DETACH_FILTER, &unused, sizeof unused) != 0) {
    return errno_error("detach a SYN filter", errno);
  }
  return {};
}

}  // namespace holdfast::supervisor
