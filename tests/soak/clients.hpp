// Every kind of client at once, for one round. Requests carry ids that begin with the round's name.
#pragma once

#include <memory>
#include <string>

#include "tests/soak/pipelines.hpp"
#include "tests/soak/sightings.hpp"
#include "tests/support/load_client.hpp"
#include "tests/support/websocket_load.hpp"

namespace holdfast::testing {

struct Doors {
  std::string plain;
  std::string tls;
};

class Clients {
 public:
  // Returns once all of them have been served.
  Clients(const Doors& doors, const std::string& round);
  Clients(const Clients&) = delete;
  Clients& operator=(const Clients&) = delete;

  std::uint64_t requests_done() const;
  // Each idle connection that is left asks once more; returns when it was answered.
  void wake_idle();
  // No new requests. Event streams end with their worker only: reload then, and finish.
  void stop();
  // Once only.
  Sightings finish();

 private:
  LoadClient plain_;
  LoadClient tls_;
  Pipelines pipelines_;
  std::unique_ptr<WebSocketLoad> sockets_;
  std::unique_ptr<WebSocketLoad> tls_sockets_;
};

// Short requests of a few clients until the door is closed, for the stop.
class LastClients {
 public:
  LastClients(const Doors& doors, const std::string& round);
  Sightings finish();

 private:
  LoadClient plain_;
};

}  // namespace holdfast::testing
