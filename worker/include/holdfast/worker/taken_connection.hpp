// A connection on its way from one worker to another (`holdfast run --idle handoff`), as a service
// with a server of its own gets it: Worker::on_connection.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace holdfast::worker {

struct TakenConnection {
  int fd = -1;                 // nonblocking; whoever gets it closes it
  std::string listener;        // by whose name it was accepted
  std::string remote_address;  // "192.0.2.1"; empty: a Unix peer
  std::uint16_t remote_port = 0;
  // Received from the client, and not answered: the first bytes for the service's own buffer.
  std::string pending;
  std::string state;           // what the service that gave it said beside
  std::uint64_t requests = 0;  // it has had; the pending one is not among them
  std::chrono::steady_clock::time_point accepted{};  // by whomever
  // It is this worker's own, that nobody took: it leaves as in any other drain.
  bool returned = false;
};

}  // namespace holdfast::worker
