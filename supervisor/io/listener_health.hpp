// Whether a listening socket still listens. Servers that are not ours shut it down when they stop
// (cpp-httplib does), and that stops it for every process that shares it.
#pragma once

#include <cstdint>

#include "shared/core/result.hpp"
#include "shared/io/bind_listener.hpp"

namespace holdfast::supervisor {

enum class ListenerHealth : std::uint8_t {
  Good,
  Repaired,  // it was shut, and listens again under the same address
  Lost       // it was shut, and a Unix socket cannot listen again: a new one has to be bound
};

// Repairs what it can. Fails when somebody else took the port meanwhile.
Result<ListenerHealth> check_listener(const BoundListener& listener);

}  // namespace holdfast::supervisor
