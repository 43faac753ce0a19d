#include <string>

#include "holdfast/worker/server.hpp"

using holdfast::worker::Request;
using holdfast::worker::ResponseWriter;

int main() {
  holdfast::worker::Server server({.listen = "127.0.0.1:8080"});  // used only when run alone
  server.handle([](const Request& request, ResponseWriter& response) {
    response.header("Content-Type", "text/plain");
    response.write("Hello from generation " + std::to_string(request.generation()) + "\n");
    response.log_field("greeted", request.path());
  });
  return server.run();
}
