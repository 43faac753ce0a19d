// Who may connect to a Unix socket of the file system: its mode and its owner.
#pragma once

#include <string>
#include <sys/types.h>

#include "shared/core/listen_address.hpp"
#include "shared/core/result.hpp"
#include "shared/io/bind_listener.hpp"

namespace holdfast {

struct SocketOwner {
  uid_t user = static_cast<uid_t>(-1);  // as it is (chown(2))
  gid_t group = static_cast<gid_t>(-1);
};

// Looks the names up; what is not named stays. `action` is what cannot be done without them.
Result<SocketOwner> find_owner(const UnixAddress& address, const std::string& action);

// Gives a socket that stays the mode and owner of `wanted` where they are others than in `was`; one
// that is not said any more becomes what a new socket would get. Nobody may connect in between who
// may neither before nor after. Fails, and changes nothing, when another file is at its path.
Result<void> change_access(const BoundListener& listener, const UnixAddress& was,
                           const UnixAddress& wanted);

}  // namespace holdfast
