// A TLS ticket key that nobody can guess.
#pragma once

#include "shared/core/result.hpp"
#include "shared/core/ticket_key.hpp"

namespace holdfast::supervisor {

// From the kernel's generator (getrandom(2)).
Result<TicketKey> random_ticket_key();

}  // namespace holdfast::supervisor
