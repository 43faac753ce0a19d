// rtt_relay --target ADDRESS --rtt 20ms: prints the address that it relays from, on one line, and
// relays until it is killed.
#include <iostream>
#include <stdexcept>
#include <string_view>

#include "tests/support/load_client.hpp"
#include "tests/support/rtt_relay.hpp"

namespace {

using holdfast::testing::RttRelay;
using holdfast::testing::Target;

int run(std::string_view target, std::string_view rtt) {
  RttRelay relay(Target(target), holdfast::testing::parse_duration(rtt));
  std::cout << relay.address() << std::endl;
  relay.run();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5 || std::string_view(argv[1]) != "--target" ||
      std::string_view(argv[3]) != "--rtt") {
    std::cerr << "usage: rtt_relay --target ADDRESS --rtt D\n";
    return 2;
  }
  try {
    return run(argv[2], argv[4]);
  } catch (const std::exception& error) {
    std::cerr << "rtt_relay: " << error.what() << "\n";
    return 1;
  }
}
