// One WebSocket connection in the hands of a test, over Boost.Beast; with TLS where it is asked to,
// certificates unseen.
#pragma once

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

}  // namespace holdfast::testing
