// Connections that a handler took, at a reload and at a stop: told, awaited, and cut at the
// deadline.
#include <chrono>
#include <csignal>

#include <gtest/gtest.h>

#include "tests/integration/takeover_fixture.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class TakeoverDrainTest : public TakeoverTest {
 protected:
  TakeoverDrainTest() : TakeoverTest({.flags = {"--idle-grace", "10s"}}) {}
};

TEST_F(TakeoverDrainTest, AStreamIsToldAndAwaited) {
  RawClient told = take("/raw/goodbye");
  RawClient quiet = take("/raw/echo");
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(told.read_all(), "goodbye");
  quiet.send("still served");
  EXPECT_EQ(quiet.read_bytes(12), "still served");
  EXPECT_EQ(run.count("drained"), 0u);
  quiet.half_close();
  EXPECT_EQ(quiet.wait_end(), End::Closed);
  expect_bystander_served_and_closed();
  EXPECT_EQ(run.wait("drained").number("cut"), 0);
  expect_clean_stop(run);
  ASSERT_EQ(lines().size(), 2u);
  for (const auto& line : lines()) expect_line(line);
}

TEST_F(TakeoverDrainTest, AConnectionCanBeTakenDuringTheDrain) {
  RawClient client(address);
  client.send(upgrade("/raw/at-drain"));
  wait_count("at-drain", 1);
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(client.read_head().status, 101);
  client.send("hello").half_close();
  EXPECT_EQ(client.read_all(), "hello");
  expect_bystander_served_and_closed();
  EXPECT_EQ(run.wait("drained").number("cut"), 0);
  expect_line(stop_and_take_line());
}

// Both callbacks of a stream that is closed with bytes to send must come: a handler that waits for
// one would never end, and the drain with it.
TEST_F(TakeoverDrainTest, ACloseEndsTheReadAndTheWriteThatAreUnderWay) {
  RawClient client = take("/raw/close-busy?gate");
  open_gate("gate");
  wait_count("close-busy done", 1);
  EXPECT_EQ(count("read ended"), 1);
  EXPECT_EQ(count("write ended"), 1);
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_TRUE(client.read_all() == std::string(20'000'000, 'w'));
  EXPECT_EQ(count_at_drain("late drain"), 0) << "the handler was done before";
  EXPECT_EQ(run.wait("drained").number("cut"), 0);
  expect_line(stop_and_take_line());
}

TEST(TakeoverStopTest, AStreamThatStaysIsCutAtTheDeadlineAndLoggedAsCut) {
  SupervisorRun run({.flags = {"--stop-timeout", "500ms"}, .command = {STREAMS_WORKER_PATH}});
  RawClient client(run.wait_ready().address());
  client.send(upgrade("/raw/stubborn"));
  EXPECT_EQ(client.read_head().status, 101);
  run.signal(SIGTERM);
  EXPECT_EQ(client.read_bytes(5), "never") << "it was told before";
  EXPECT_NE(client.wait_end(), End::StillOpen);
  run.wait_exit();
  EXPECT_EQ(run.leftovers(), "");
  const AccessLog log = run.log();
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(log.lines()[0].value("completion", ""), "cut") << log.lines()[0];
  EXPECT_EQ(log.lines()[0].value("http_status_code", 0), 101);
  ASSERT_EQ(run.all("stopped").size(), 1u);
  EXPECT_EQ(run.all("stopped")[0].number("cut"), 1);
}

}  // namespace
}  // namespace holdfast::testing
