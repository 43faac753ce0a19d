// Over a round trip of 20 ms a close and the next request cross on the wire, and some request is
// lost with any server that closes. Nothing is closed here. `scripts/bench rtt` measures the
// others.
#include <cstdio>

#include "tests/integration/handoff_fixture.hpp"
#include "tests/support/relay_process.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

TEST(HandoffRttTest, ClientsThatAreFarAwayLoseNothingAndNoConnection) {
  const int reloads = rounds("HOLDFAST_TEST_RELOADS", 4);
  SupervisorRun run(with_handoff());
  const std::string address = run.wait_ready().address();
  const RelayProcess relay(address, 20ms);
  LoadOptions options;
  options.target = relay.address();
  const auto group = [&](const char* name, DurationRange think) {
    GroupOptions wanted;
    wanted.name = name;
    wanted.connections = 100;
    wanted.think = think;
    wanted.post_percent = 100;
    wanted.ids = true;
    options.groups.push_back(wanted);
  };
  group("brisk", {0ms, 50ms});
  group("lazy", {300ms, 1500ms});  // around idle_grace, where closes would meet requests
  LoadClient load(options);
  load.start();
  ASSERT_TRUE(load.wait_for_requests(500));
  for (int i = 0; i < reloads; ++i) {
    ASSERT_EQ(run.reload().name(), "reload_done");
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 2'000));
  }
  const LoadResult result = load.finish();
  expect_no_failure(result);
  for (const auto& [name, had] : result.groups) {
    EXPECT_EQ(had.connects, 100U) << name;
    EXPECT_EQ(had.idle_closed + had.idle_reset + had.connection_close, 0U) << name;
  }
  expect_clean_stop(run);
  expect_all_logged(run.log(), result);
  expect_stories_hold(run.log());
  std::printf("%d reloads, %lu requests from 20 ms away, none failed\n", reloads,
              result.total().ok);
}

}  // namespace
}  // namespace holdfast::testing
