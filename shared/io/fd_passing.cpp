#include "shared/io/fd_passing.hpp"

#include <cassert>
#include <cerrno>
#include <cstring>
#include <sys/socket.h>
#include <sys/uio.h>

#include "shared/core/control_message.hpp"

namespace holdfast {
namespace {

constexpr std::size_t kControlSpace = CMSG_SPACE(kMaxControlFds * sizeof(int));

void take_fds(msghdr& header, std::vector<UniqueFd>& fds) {
  for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (std::size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      fds.emplace_back(fd);
    }
  }
}

}  // namespace

Result<bool> send_datagram(int socket, std::string_view bytes, std::span<const int> fds) {
  assert(fds.size() <= kMaxControlFds);
  iovec data{const_cast<char*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) char control[kControlSpace] = {};
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  if (!fds.empty()) {
    header.msg_control = control;
    header.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(part), fds.data(), fds.size_bytes());
  }
  for (;;) {
    if (::sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return true;
    if (errno == EAGAIN) return false;
    if (errno != EINTR) return errno_error("send a message", errno);
  }
}

Result<Datagram> receive_datagram(int socket, std::size_t max_bytes, LostFds lost) {
  Datagram datagram;
  datagram.bytes.resize(max_bytes);
  iovec data{datagram.bytes.data(), datagram.bytes.size()};
  alignas(cmsghdr) char control[kControlSpace];
  msghdr header{};
  header.msg_iov = &data;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t n = 0;
  do {
    n = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    // ECONNRESET comes once, when the peer died with our messages unread, and before the messages
    // that it sent itself; those count (unix(7) does not say so; the kernel's unix_release_sock
    // does).
  } while (n < 0 && (errno == EINTR || errno == ECONNRESET));
  if (n < 0) {
    if (errno == EAGAIN) return Datagram{};
    return errno_error("receive a message", errno);
  }
  take_fds(header, datagram.fds);
  datagram.fds_lost = (header.msg_flags & MSG_CTRUNC) != 0;
  if (datagram.fds_lost && lost == LostFds::Fail) {
    return plain_error("receive a message",
                       "descriptors were lost; the limit of open files is too low");
  }
  if ((header.msg_flags & MSG_TRUNC) != 0)
    return plain_error("receive a message", "it is too long");
  datagram.kind = n == 0 ? Datagram::Kind::Eof : Datagram::Kind::Data;
  datagram.bytes.resize(static_cast<std::size_t>(n));
  return datagram;
}

}  // namespace holdfast
