// Holds what the clients of a round saw against the access log and the kills: nothing may be lost
// but what a killed worker held in its hands.
#pragma once

#include <vector>

#include "tests/soak/kill.hpp"
#include "tests/soak/sightings.hpp"
#include "tests/support/access_log_reader.hpp"

namespace holdfast::testing {

struct Judgement {
  std::vector<std::string> breaches;
  std::uint64_t lines = 0;
  std::uint64_t requests_killed = 0;  // requests that a killed worker owned
  std::uint64_t lines_killed = 0;     // lines that it had not written yet
  Millis oldest_line_killed{};        // before the kill
};

Judgement judge(const Sightings& seen, const std::vector<Kill>& kills, const AccessLog& log);

}  // namespace holdfast::testing
