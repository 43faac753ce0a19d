// Creates one listening socket: SO_REUSEADDR, CLOEXEC, nonblocking. Errors name who holds the
// address where that can be known.
#pragma once

#include "shared/core/listen_address.hpp"
#include "shared/core/result.hpp"
#include "supervisor/io/listener_set.hpp"

namespace holdfast::supervisor {

Result<Listener> bind_listener(const ListenerSpec& spec);

}  // namespace holdfast::supervisor
