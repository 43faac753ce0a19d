// One event as people read it: "2026-01-02 03:04:05 reload_done generation=2 ready_ms=4". Pure.
#pragma once

#include <string>

namespace holdfast::supervisor {

// `line` is one line of JSON; one that is not comes back as it is, printable.
std::string render_event(const std::string& line);

}  // namespace holdfast::supervisor
