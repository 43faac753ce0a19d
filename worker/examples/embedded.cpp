// A server inside a program that has a main loop of its own.
#include <iostream>
#include <string>

#include "holdfast/worker/server.hpp"

using holdfast::worker::Request;
using holdfast::worker::ResponseWriter;

int main() {
  holdfast::worker::Server server({.access_log = "stderr"});
  server.handle([](const Request& request, ResponseWriter& response) {
    response.write("Hello from " + std::string(request.listener()) + "\n");
  });
  for (const char* address : {"public=127.0.0.1:8080", "admin=127.0.0.1:8081"}) {
    if (const auto failure = server.listen_and_serve(address)) {
      std::cerr << failure->message << "\n";
      return 1;
    }
  }

  for (std::string line; std::getline(std::cin, line) && line != "stop";) {
  }

  const auto result = server.stop();
  std::cout << "served " << result.served << " more, cut " << result.cut << "\n";
  return result.failure ? 1 : 0;
}
