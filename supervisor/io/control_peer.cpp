#include "supervisor/io/control_peer.hpp"

#include <cerrno>
#include <sys/socket.h>

#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS 59
#endif

namespace holdfast::supervisor {

Result<ControlPeer> control_peer(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return errno_error("tell who is at the control socket", errno);
  ControlPeer peer{credentials.pid, credentials.uid, credentials.gid, {}};
  // Linux 4.13; without it the primary group alone counts.
  size = 0;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, nullptr, &size) == 0 || errno != ERANGE)
    return peer;
  peer.groups.resize(size / sizeof(gid_t));
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, peer.groups.data(), &size) != 0)
    peer.groups.clear();
  return peer;
}

}  // namespace holdfast::supervisor
