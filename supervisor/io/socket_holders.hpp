// Who holds a TCP port: for the one error message that operators meet most. Best effort: processes
// of other users stay hidden without privileges (proc(5)).
#pragma once

#include <cstdint>
#include <string>

namespace holdfast::supervisor {

// "held by pid 17 (nginx), pid 18 (nginx)", or empty when nobody can be named.
std::string holders_of_port(std::uint16_t port);

}  // namespace holdfast::supervisor
