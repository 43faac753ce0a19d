// Who is at the other end of a Unix socket, as the kernel knows it (unix(7), SO_PEERCRED).
#pragma once

#include "shared/core/result.hpp"
#include "supervisor/core/control_access.hpp"

namespace holdfast::supervisor {

Result<ControlPeer> control_peer(int socket);

}  // namespace holdfast::supervisor
