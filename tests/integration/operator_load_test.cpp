// The operator's tool while the service works: many operators at once, and many questions.
#include <csignal>

#include <gtest/gtest.h>

#include "tests/integration/operator_fixture.hpp"
#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

LoadOptions paced_load(const std::string& address, int connections, DurationRange think) {
  GroupOptions group;
  group.connections = connections;
  group.think = think;
  group.verify = Verify::Hello;
  LoadOptions load;
  load.target = address;
  load.groups.push_back(group);
  return load;
}

TEST(OperatorLoadTest, FiftyWaitingReloadsEachLearnTheirVerdict) {
  SupervisorRun run({.flags = {"--max-old-generations", "2", "--stop-timeout", "2s"}});
  run.wait_ready();
  LoadClient load(brisk_load(run.address()));
  load.start();
  ASSERT_TRUE(load.wait_for_requests(100));
  std::vector<std::unique_ptr<ChildProcess>> waiting;
  for (int i = 0; i < 50; ++i) {
    waiting.push_back(std::make_unique<ChildProcess>(
        ChildOptions{.argv = command_for(run.name(), {"reload", "--wait"})}));
  }
  int committed = 0;
  int superseded = 0;
  std::size_t most_draining = 0;
  for (const auto& command : waiting) {
    const auto status = command->wait_exit();
    ASSERT_TRUE(status) << "a waiter was forgotten";
    committed += *status == exited(0);
    superseded += *status == exited(12);
    most_draining = std::max(most_draining, status_of(run)["draining"].size());
  }
  EXPECT_EQ(committed + superseded, 50);
  EXPECT_GE(committed, 1);
  EXPECT_LE(most_draining, 2u);
  EXPECT_TRUE(
      eventually([&] { return run.count("reload_done") == static_cast<std::size_t>(committed); }));
  // The bound at every moment, from the order of events: a reload begins when there is room.
  std::size_t draining = 0;
  for (const Event& event : run.events().all([](const Event&) { return true; })) {
    if (event.name() == "reload_done") ++draining;
    if (event.name() == "generation_drained" && draining > 0) --draining;
    EXPECT_LE(draining, 2u);
  }
  expect_no_failure(load.finish());
  std::printf("%d committed, %d superseded\n", committed, superseded);
}

TEST(OperatorLoadTest, StatusUnderLoadCostsNoRequest) {
  TempDir files;
  const std::string path = files.file("control.sock");
  SupervisorRun run({.flags = {"--control", path}, .workers = "2"});
  run.wait_ready();
  LoadClient load(paced_load(run.address(), 20, {9ms, 11ms}));
  load.start();
  ASSERT_TRUE(load.wait_for_requests(1'000));
  const auto cpu_before = cpu_time(run.pid());
  const auto began = Clock::now();
  int asked = 0;
  {
    BareOperator client(path);
    ASSERT_TRUE(client.connected());
    const int seconds = rounds("HOLDFAST_TEST_STATUS_SECONDS", 3);
    // One for twenty requests of 2,000 a second, so a hundred a second.
    for (; Clock::now() - began < std::chrono::seconds(seconds); ++asked) {
      client.say("{\"holdfast\":1,\"op\":\"status\"}\n");
      const auto reply = client.hear_json();
      ASSERT_EQ(reply.at("status").at("health"), "ok") << reply;
      ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 20));
    }
  }
  const auto took = Clock::now() - began;
  const double cpu = std::chrono::duration<double>(cpu_time(run.pid()) - cpu_before) /
                     std::chrono::duration<double>(took);
  const LoadResult result = load.finish();
  expect_no_failure(result);
  EXPECT_LT(cpu, programs_are_sanitized() ? 0.50 : 0.10);
  std::printf("%d statuses, supervisor's CPU %.2f%%, %s\n", asked, cpu * 100,
              result.summary().c_str());
}

TEST(OperatorLoadTest, StatusEachSecondIsHardlyFeltUnderLoad) {
  TempDir files;
  const std::string path = files.file("control.sock");
  SupervisorRun run({.flags = {"--control", path}, .workers = "2"});
  run.wait_ready();
  const LoadOptions load = paced_load(run.address(), 20, {9ms, 11ms});  // 2,000 a second
  LoadClient alone(load);
  alone.start();
  ASSERT_TRUE(alone.wait_for_requests(8'000));
  const LoadResult before = alone.finish();
  expect_no_failure(before);

  LoadClient watched(load);
  watched.start();
  BareOperator client(path);
  ASSERT_TRUE(client.connected());
  const auto cpu_before = cpu_time(run.pid());
  const auto began = Clock::now();
  int asked = 0;
  while (watched.requests_done() < 8'000) {
    client.say("{\"holdfast\":1,\"op\":\"status\"}\n");
    ASSERT_EQ(client.hear_json().at("status").at("health"), "ok");
    // One for 2,000 requests of 2,000 a second.
    ASSERT_TRUE(watched.wait_for_requests(static_cast<std::uint64_t>(++asked) * 2'000));
  }
  // Of its own time on the processor, which a crowded machine does not lengthen.
  const double cpu = std::chrono::duration<double>(cpu_time(run.pid()) - cpu_before) /
                     std::chrono::duration<double>(Clock::now() - began);
  const LoadResult after = watched.finish();
  expect_no_failure(after);
  EXPECT_GE(asked, 3);
  EXPECT_LT(cpu, programs_are_sanitized() ? 0.10 : 0.01);
  // The tail is that of the scheduler, and of who else came to the machine meanwhile: it is shown.
  const auto ms = [](const LoadResult& result, double share) {
    return std::chrono::duration<double, std::milli>(result.total().steady.percentile(share))
        .count();
  };
  EXPECT_GT(ms(before, 0.5), 0);
  EXPECT_LT(ms(after, 0.5), 4 * ms(before, 0.5) + static_cast<double>(scaled(2ms).count()));
  std::printf("%d statuses, supervisor's CPU %.2f%%, p99 %.2f ms without, %.2f ms with\n", asked,
              cpu * 100, ms(before, 0.99), ms(after, 0.99));
}

TEST(OperatorLoadTest, CountsStayTrueOverReloads) {
  SupervisorRun run;
  run.wait_ready();
  LoadClient load(brisk_load(run.address()));
  load.start();
  std::uint64_t last = 0;
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 200));
    ASSERT_EQ(ask(run, {"reload", "--wait=drained"}).status, exited(0));
    const std::uint64_t now = status_of(run)["counters"]["requests"];
    EXPECT_GE(now, last);
    last = now;
  }
  const LoadResult result = load.finish();
  expect_no_failure(result);
  std::uint64_t counted = 0;
  EXPECT_TRUE(eventually([&] {
    counted = status_of(run)["counters"]["requests"];
    return counted == result.total().ok;
  })) << counted
      << " counted, " << result.total().ok << " answered";
}

TEST(OperatorLoadTest, SupervisorStaysSmallOverManyReloads) {
  SupervisorRun run;
  run.wait_ready();
  const int reloads = rounds("HOLDFAST_TEST_OPERATOR_RELOADS", 60);
  std::uint64_t early = 0;
  for (int i = 1; i <= reloads; ++i) {
    ASSERT_EQ(ask(run, {"reload", "--wait"}).status, exited(0)) << i;
    if (i == reloads / 2) early = rss_kib(run.pid());
  }
  const std::uint64_t late = rss_kib(run.pid());
  if (!programs_are_sanitized()) {  // a sanitizer's quarantine grows with every free
    EXPECT_LT(late, 10u * 1024);
    EXPECT_LE(late, early + 512);
  }
  std::printf("%d reloads: %lu KiB at half, %lu now\n", reloads, early, late);
}

}  // namespace
}  // namespace holdfast::testing
