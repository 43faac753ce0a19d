// Servers of this process whose time is a ManualClock's.
#pragma once

#include <chrono>
#include <string>

#include <gtest/gtest.h>

#include "holdfast/worker/clock.hpp"
#include "tests/integration/in_process.hpp"
#include "tests/support/raw_client.hpp"

namespace holdfast::testing {

class ClockTest : public ::testing::Test {
 protected:
  // Serves on a free port and returns the address.
  std::string serve(worker::Server& server) {
    server.on_connection_state(states.hook());
    return serve_anywhere(server);
  }
  static bool open(RawClient& client) {
    return client.wait_end(std::chrono::milliseconds(0)) == End::StillOpen;
  }

  worker::ManualClock clock;
  RecordedStats stats;
  RecordedStates states;
  worker::Options options{.access_log = "off", .stats = &stats, .clock = &clock};
};

}  // namespace holdfast::testing
