// What the clients of one round have seen, in the terms of the access log: which request was
// answered by whom, which was lost and on which connection.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/child_process.hpp"

namespace holdfast::testing {

// The port of the server and of the client: a connection, for as long as a round lasts.
using Ports = std::pair<int, int>;

struct Served {
  std::string id;
  pid_t worker = 0;
  TimePoint at;
};

struct Lost {
  std::string id;
  Ports ports;
  std::string what;
  bool by_close = false;  // an end of the connection, as the death of its worker would make it
  TimePoint at;
};

struct Sightings {
  std::vector<Served> served;
  std::vector<Lost> lost;
  std::uint64_t begun = 0;           // requests with an id
  std::uint64_t sockets_opened = 0;  // WebSockets: requests without one
  std::uint64_t echoes = 0;
  std::uint64_t sent_away = 0;               // WebSockets closed with 1001
  std::vector<std::string> socket_failures;  // each WebSocket client ends at its first one
  std::uint64_t plain_closes = 0;            // kept plain connections that the server ended
  std::uint64_t idle_resets = 0;
  std::vector<std::string> complaints;  // what no kill excuses
};

}  // namespace holdfast::testing
