// What a response says of how long its connection may be idle, so that a client leaves before the
// server does: between those two a request meets a close. Pure.
#pragma once

#include <optional>
#include <string>

#include "shared/core/time.hpp"

namespace holdfast::worker {

// The lines of a head: Keep-Alive, and Connection, which must name it (RFC 9110, 7.6.1). Empty
// where nothing is advised: whole seconds, so a hint below one is none. Without a hint it is
// `timeout` less what a slow network and a busy client may need. Throws std::invalid_argument for a
// hint that is not below `timeout`.
std::string render_keep_alive(std::optional<Millis> hint, Millis timeout);

}  // namespace holdfast::worker
