// --lame-duck: a stop that first serves on, not ready, so that balancers move their clients.
#include <chrono>
#include <csignal>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

// Until a worker was told: the event comes from the supervisor.
Response not_ready(const std::string& address) {
  Response probe;
  EXPECT_TRUE(eventually(
      [&] {
        probe = RawClient(address).get("/readyz");
        return probe.status == 503;
      },
      kCap));
  return probe;
}

TEST(LameDuckTest, ServesOnWithCloseAndWithoutReadinessThenStops) {
  SupervisorRun run({.flags = {"--lame-duck", "2s"}, .workers = "2"});
  run.wait_ready();
  const std::string address = run.address();
  LoadClient load(brisk_load(address));
  load.start();
  ASSERT_TRUE(load.wait_for_requests(200));
  RawClient kept(address);
  const Response before = kept.get("/readyz");
  EXPECT_EQ(before.status, 200);
  EXPECT_FALSE(before.says_close());
  RawClient slow(address);
  slow.send(get_request("/?duration=3s"));
  load.expect_stop();
  const TimePoint begun = Clock::now();
  run.signal(SIGTERM);
  EXPECT_EQ(run.wait("stopping").number("lame_duck_ms"), 2'000);
  EXPECT_TRUE(not_ready(address).says_close());
  EXPECT_EQ(run.count("stopped"), 0u);
  // Its worker may be the one that is told a moment later.
  Response last;
  do {
    last = kept.get("/");
    ASSERT_EQ(last.body, "Hello, world!") << "who was idle is served";
  } while (!last.says_close());
  EXPECT_EQ(RawClient(address).get("/").status, 200) << "and who comes late";
  EXPECT_EQ(slow.read_response().body, "Hello, world!");
  EXPECT_EQ(run.wait_exit(), exited(0));
  EXPECT_GE(Clock::now() - begun, 2s);
  EXPECT_TRUE(is_refused(address));
  expect_clean_stop(run);
  const LoadResult result = load.finish();
  expect_no_failure(result);
}

TEST(LameDuckTest, ASecondTermEndsItAtOnce) {
  SupervisorRun run({.flags = {"--lame-duck", "600s"}});
  run.wait_ready();
  run.signal(SIGTERM);
  run.wait("stopping");
  not_ready(run.address());
  run.signal(SIGTERM);
  EXPECT_EQ(run.wait_exit(), exited(0));
  EXPECT_EQ(run.count("stopping_at_once"), 1u);
  EXPECT_EQ(run.leftovers(), "");
}

TEST(LameDuckTest, AHupInItIsIgnored) {
  SupervisorRun run({.flags = {"--lame-duck", "1s"}});
  run.wait_ready();
  run.signal(SIGTERM);
  run.wait("stopping");
  run.signal(SIGHUP);
  run.wait_for("HUP", [](const Event& e) { return e.text("signal") == "HUP"; });
  EXPECT_EQ(run.wait_exit(), exited(0));
  EXPECT_EQ(run.count("reload_started"), 0u);
  EXPECT_EQ(run.leftovers(), "");
}

TEST(LameDuckTest, AReloadDoesNotTouchReadiness) {
  SupervisorRun run({.flags = {"--idle-grace", "30s"}});
  run.wait_ready();
  RawClient old(run.address());
  EXPECT_EQ(old.get("/readyz").status, 200);
  ASSERT_EQ(run.reload().name(), "reload_done");
  const Response probe = old.get("/readyz");
  EXPECT_EQ(probe.status, 200) << "the service goes on, although this worker leaves";
  EXPECT_EQ(probe.generation(), 1);
  expect_clean_stop(run);
}

}  // namespace
}  // namespace holdfast::testing
