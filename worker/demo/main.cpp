// holdfast-demo: the stock worker. It uses only the public headers, so it is also the longest
// example.
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>

#include "worker/demo/demo_options.hpp"
#include "worker/demo/routes.hpp"

int main(int argc, char** argv) {
  using namespace holdfast::demo;
  const auto options = parse_options(argc, argv);
  if (!options) return 2;
  if (options->fail_start) {
    std::cerr << "holdfast-demo: told to fail at the start\n";
    return *options->fail_start;
  }
  std::this_thread::sleep_for(options->ready_delay);
  holdfast::worker::Server server(options->server);
  Routes routes(server, *options);
  server.select([&](const holdfast::worker::Request& request) -> const holdfast::worker::Handler& {
    return routes.choose(request);
  });
  server.on_accepting([&] {
    routes.start();
    if (server.worker() == 0)
      std::cerr << "holdfast-demo: listening on " << server.addresses().front() << std::endl;
  });
  return server.run();
}
