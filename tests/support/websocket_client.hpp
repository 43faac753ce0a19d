// WebSocket clients over Boost.Beast: one in the hands of a test, and many that send and compare by
// themselves until they are told to stop. With TLS where they are asked to, certificates unseen.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/child_process.hpp"

namespace holdfast::testing {

// One connection; each call ends within `cap` or throws std::runtime_error.
class WebSocketClient {
 public:
  explicit WebSocketClient(const std::string& address, bool tls = false, Millis cap = kCap);
  ~WebSocketClient();

  void send(std::string_view message, bool binary = false);
  void send_fragments(const std::vector<std::string>& parts);
  std::string read();  // throws when the connection ends instead
  // What the pong that answers it says.
  std::string ping(const std::string& payload);
  void close();  // says 1000 and waits for the answer
  // Reads and drops until the server closes: its code; 1006 when it ends without saying one.
  int wait_close();
  bool got_binary() const;

 private:
  struct Link;
  std::unique_ptr<Link> link_;
};

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
