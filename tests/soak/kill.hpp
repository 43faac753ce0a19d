// The death of a worker by SIGKILL, with exact knowledge of what dies with it.
#pragma once

#include <optional>
#include <set>

#include "tests/soak/sightings.hpp"

namespace holdfast::testing {

struct Kill {
  pid_t pid = 0;
  std::set<Ports> connections;  // whose descriptor it held
  TimePoint stopped;            // from here on it did nothing more
  TimePoint at;
};

// Stops the worker, so that it neither takes nor gives a connection any more, looks at what it
// holds, and kills it. Nothing when it is gone before.
std::optional<Kill> kill_worker(pid_t pid);

}  // namespace holdfast::testing
