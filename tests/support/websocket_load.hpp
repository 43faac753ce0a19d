// WebSocket clients by the handful, over Boost.Beast: they send, compare the echo, and come back
// when the server sends them away. With TLS where they are asked to, certificates unseen.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace holdfast::testing {

struct WebSocketResult {
  std::uint64_t echoed = 0;
  std::uint64_t going_away = 0;       // closed by the server with 1001
  std::vector<std::string> failures;  // everything else that ended a connection
};

// `clients` connections that send a message, wait for its echo, and come back when the server sends
// them away. On a thread of its own.
class WebSocketLoad {
 public:
  WebSocketLoad(std::string address, int clients, bool tls = false);
  ~WebSocketLoad();

  std::uint64_t echoed() const;
  // Each client closes its connection in order.
  WebSocketResult finish();

 private:
  struct Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace holdfast::testing
