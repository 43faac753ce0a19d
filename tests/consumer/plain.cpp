#include <holdfast/version.h>
#include <holdfast/worker/server.hpp>
#include <string>

#ifdef BOOST_ASIO_DETAIL_CONFIG_HPP
#error "a header of the plain interface includes Asio"
#endif

using holdfast::worker::Request;
using holdfast::worker::ResponseWriter;

int main() {
  holdfast::worker::Server server;
  server.handle([](const Request& request, ResponseWriter& response) {
    response.header("Content-Type", "text/plain");
    response.write("plain " HOLDFAST_VERSION_STRING " generation " +
                   std::to_string(request.generation()) + "\n");
  });
  return server.run();
}
