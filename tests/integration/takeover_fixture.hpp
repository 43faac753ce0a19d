// A connection that a handler of streams_worker took, and its line.
#pragma once

#include "tests/integration/streams_fixture.hpp"

namespace holdfast::testing {

inline constexpr std::string_view kSwitch = "HTTP/1.1 101 Switching Protocols\r\n\r\n";

inline std::string upgrade(const std::string& target) {
  return get_request(target, "Connection: Upgrade\r\nUpgrade: raw\r\n");
}

class TakeoverTest : public StreamsTest {
 protected:
  using StreamsTest::StreamsTest;

  void expect_line(const AccessLog::Line& line, const std::string& completion = "hijacked") {
    EXPECT_EQ(line.value("completion", ""), completion) << line;
    EXPECT_EQ(line.value("http_status_code", 0), 101) << line;
  }
  void expect_bytes(const AccessLog::Line& line, std::size_t received, std::size_t sent) {
    EXPECT_EQ(line.value("bytes_received", 0u), received) << line;
    EXPECT_EQ(line.value("bytes_sent", 0u), sent) << line;
  }
  RawClient take(const std::string& target) {
    RawClient client(address);
    client.send(upgrade(target));
    EXPECT_EQ(client.read_head().status, 101);
    return client;
  }
};

}  // namespace holdfast::testing
