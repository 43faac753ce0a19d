// A server for testing the load client, one connection at a time: the n-th accepted connection runs
// the n-th script (the last one again for all further), which answers or misbehaves on purpose.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/support/load_client_socket.hpp"

namespace holdfast::testing {

inline constexpr std::string_view kHello =
    "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nX-Generation: 7\r\nX-Worker: 42\r\n\r\nHello, world!";

// The server's end of one connection. It closes in an orderly way unless reset() was called.
class Peer {
 public:
  explicit Peer(UniqueFd socket) : socket_(std::move(socket)) {}
  // A whole request (head, and body by Content-Length); empty when the client has closed.
  std::string read_request();
  void send(std::string_view bytes);
  void answer(std::string_view response = kHello);  // read_request, then send
  void half_close();                                // FIN; the socket lives until the client closes
  void reset();                                     // RST
  void wait_for_close();
  int fd() const { return socket_.get(); }

 private:
  UniqueFd socket_;
  std::string buffer_;
};

using Script = std::function<void(Peer&)>;

class ScriptedServer {
 public:
  // `path` makes it a Unix socket.
  explicit ScriptedServer(std::vector<Script> scripts, const std::string& path = "");
  ~ScriptedServer();
  std::string target() const { return target_; }
  int accepted() const { return accepted_; }
  void stop_listening();

 private:
  void serve();

  std::vector<Script> scripts_;
  UniqueFd listener_;
  std::string target_;
  std::atomic<int> accepted_{0};
  std::thread thread_;
};

}  // namespace holdfast::testing
