// Shuts a TCP listener's door without hurting who is inside: bare SYNs are dropped, so no handshake
// begins, while handshakes under way and queued connections go on (tried). A client that comes late
// repeats its SYN and is refused once the listener is closed.
#pragma once

#include "shared/core/result.hpp"

namespace holdfast::supervisor {

// REQUIRES: `listener` is a listening TCP socket. Accepted sockets are not affected.
Result<void> drop_new_connections(int listener);

// Takes it back.
Result<void> let_connections_in(int listener);

}  // namespace holdfast::supervisor
