// The demo's /events (server-sent events), as curl sees it: a stream without an end that ends in
// order when its worker drains, so that the client comes back to another one.
#include <chrono>
#include <csignal>

#include <gtest/gtest.h>

#include "tests/integration/streams_fixture.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class EventsTest : public ::testing::Test {
 protected:
  std::string out_path() const { return run.files().file("out"); }
  std::unique_ptr<ChildProcess> listen(const std::string& interval = "20ms") {
    auto curl = std::make_unique<ChildProcess>(
        ChildOptions{.argv = {"curl", "-sS", "-N", "-o", out_path(),
                              "http://" + address + "/events?interval=" + interval}});
    // Events flow.
    EXPECT_TRUE(eventually([&] { return !read_text(out_path()).empty(); }, kCap));
    return curl;
  }
  void expect_whole_line() {
    const AccessLog log = run.log();
    ASSERT_EQ(log.size(), 1u);
    EXPECT_EQ(log.lines()[0].value("completion", ""), "ok") << log.lines()[0];
    EXPECT_EQ(log.lines()[0].value("response_size", 0u), read_text(out_path()).size());
  }
  SupervisorRun run;
  std::string address = run.wait_ready().address();
};

TEST_F(EventsTest, AReloadEndsTheStreamInOrder) {
  const auto curl = listen();
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(curl->wait_exit(), exited(0)) << "the last chunk is missing";
  EXPECT_TRUE(read_text(out_path()).ends_with("event: bye\nretry: 0\ndata: 1\n\n"));
  EXPECT_EQ(run.wait("drained").number("cut"), 0);
  expect_clean_stop(run);
  expect_whole_line();
}

TEST_F(EventsTest, AStopEndsTheStreamInOrder) {
  const auto curl = listen("30s");  // the handler is not waited for: it is told
  const TimePoint begun = Clock::now();
  run.signal(SIGTERM);
  EXPECT_EQ(curl->wait_exit(), exited(0));
  EXPECT_EQ(run.wait_exit(), exited(0));  // a second TERM would be an order to stop at once
  EXPECT_LT(Clock::now() - begun, scaled(5s));
  EXPECT_TRUE(read_text(out_path()).ends_with("event: bye\nretry: 0\ndata: 1\n\n"));
  expect_clean_stop(run);
  expect_whole_line();
}

TEST_F(EventsTest, AListenerThatLeavesEndsItsHandlerAtOnce) {
  RawClient client(address);
  client.send(get_request("/events?interval=30s"));
  client.read_head();
  client.read_until("data: 1\n\n");
  client.reset();
  const AccessLog log = AccessLog::wait(run.access_log_path(),
                                        [](const AccessLog& seen) { return seen.size() == 1; });
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(log.lines()[0].value("completion", ""), "client_aborted");
  const TimePoint begun = Clock::now();
  expect_clean_stop(run);  // which waits for handlers, whoever they work for
  EXPECT_LT(Clock::now() - begun, scaled(5s));
}

}  // namespace
}  // namespace holdfast::testing
