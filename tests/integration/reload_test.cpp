// Promise 1: a reload is invisible. Here under load; single connections that cross a reload are in
// reload_crossing_test.cpp.
#include <chrono>
#include <csignal>
#include <poll.h>
#include <vector>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

// The pace of an input. Nothing here waits for an outcome by time.
void pace(Millis pause) { ::poll(nullptr, 0, static_cast<int>(pause.count())); }

TEST(ReloadTest, NoClientNoticesReloadAfterReload) {
  SupervisorRun run({.workers = "2"});
  run.wait_ready();
  const auto fds_before = open_fds(run.pid()).size();
  LoadClient load(mixed_load(run.address()));
  load.start();
  ASSERT_TRUE(load.wait_for_requests(200));

  const int reloads = rounds("HOLDFAST_TEST_RELOADS", 30);
  std::uint64_t rss_early = 0;
  for (int i = 1; i <= reloads; ++i) {
    const Event verdict = run.reload();
    ASSERT_EQ(verdict.name(), "reload_done") << verdict.fields;
    ASSERT_EQ(verdict.number("generation"), i + 1);
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 20));
    if (i == 10) rss_early = rss_kib(run.pid());
  }
  const LoadResult result = load.finish();
  expect_no_failure(result);

  run.wait_workers(2);
  EXPECT_TRUE(eventually([&] { return open_fds(run.pid()).size() == fds_before; }))
      << open_fds(run.pid()).size() << " descriptors in the supervisor, before: " << fds_before;
  EXPECT_EQ(children_of(run.pid()).size(), 2u) << "zombies or old workers are left";
  const std::uint64_t rss_late = rss_kib(run.pid());
  // A sanitizer's quarantine grows with every free.
  if (!programs_are_sanitized()) {
    EXPECT_LE(rss_late, rss_early + 256) << "KiB after " << reloads << " reloads";
  }
  EXPECT_EQ(run.count("reload_failed"), 0u);
  expect_clean_stop(run);
  expect_all_logged(run.log(), result);
  std::printf("%d reloads, %s; supervisor %lu KiB after 10 and %lu now, generations seen: %zu\n",
              reloads, result.summary().c_str(), rss_early, rss_late, result.generations.size());
}

TEST(ReloadTest, NoClientNoticesHupsThatOverlap) {
  SupervisorRun run({.workers = "2"});
  run.wait_ready();
  LoadClient load(mixed_load(run.address()));
  load.start();
  ASSERT_TRUE(load.wait_for_requests(200));

  for (int burst = 0, bursts = rounds("HOLDFAST_TEST_BURSTS", 4); burst < bursts; ++burst) {
    const std::size_t from = run.mark();
    for (int i = 0; i < 10; ++i) {
      run.signal(SIGHUP);
      pace(10ms);
    }
    const Event started = run.wait("reload_started", from);
    run.wait("reload_done", started.index);
  }
  const LoadResult result = load.finish();
  expect_no_failure(result);
  expect_clean_stop(run);
  EXPECT_EQ(run.count("reload_failed"), 0u);
  expect_all_logged(run.log(), result);
  std::printf("%zu reloads from overlapping HUPs, %s\n", run.count("reload_done"),
              result.summary().c_str());
}

TEST(ReloadTest, AStormOfHupsIsOneReloadAndOneMore) {
  // Longer than the storm, so that all but the first HUP meet a reload that runs.
  SupervisorRun run({.command = {demo_path(), "--ready-delay", "1500ms"}});
  run.wait_ready();
  LoadClient load(brisk_load(run.address()));
  load.start();
  for (int i = 0; i < 100; ++i) {
    run.signal(SIGHUP);
    pace(10ms);
  }
  const Event first = run.wait("reload_started");
  const Event second = run.wait("reload_started", first.index + 1);
  EXPECT_LT(run.wait("reload_done").index, second.index) << "two reloads ran at once";
  const Event last = run.wait("reload_done", second.index);
  EXPECT_GE(RawClient(run.address()).get("/").generation(), last.number("generation"));
  expect_no_failure(load.finish());
  expect_clean_stop(run);
  EXPECT_LE(run.count("reload_started"), 3u);
}

TEST(ReloadTest, AHupBeforeTheFirstReadyIsKept) {
  SupervisorRun run({.command = {demo_path(), "--ready-delay", "300ms"}});
  run.wait("worker_started");
  run.signal(SIGHUP);
  EXPECT_EQ(run.wait("reload_done").number("generation"), 2);
  EXPECT_EQ(RawClient(run.address()).get("/").generation(), 2);
  expect_clean_stop(run);
}

TEST(ReloadTest, ADrainingWorkerSleepsWhileOthersAccept) {
  SupervisorRun run;
  run.wait_ready();
  RawClient slow(run.address());
  const pid_t old_pid = slow.get("/").pid();
  slow.send(get_request("/?duration=4s"));
  ASSERT_EQ(run.reload().name(), "reload_done");
  expect_sleeps_while_others_accept(run, old_pid);
  EXPECT_EQ(slow.read_response().pid(), old_pid);
  expect_clean_stop(run);
}

TEST(ReloadTest, IdleConnectionsLeaveOneAfterAnotherBehindTheirGrace) {
  constexpr int kClients = 1'000;
  constexpr Millis kWindow{kClients};
  SupervisorRun run({.flags = {"--idle-grace", "300ms", "--idle-spread", "60s"}});
  run.wait_ready();
  std::vector<RawClient> clients;
  std::vector<pollfd> ends;
  for (int i = 0; i < kClients; ++i) {
    EXPECT_FALSE(clients.emplace_back(run.address()).get("/").says_close());
    ends.push_back({.fd = clients.back().fd(), .events = POLLIN, .revents = 0});
  }
  const TimePoint told = Clock::now();
  ASSERT_EQ(run.reload().name(), "reload_done");
  ASSERT_GT(::poll(ends.data(), ends.size(), static_cast<int>(kCap.count())), 0);
  const TimePoint first = Clock::now();
  EXPECT_GE(first - told, 300ms) << "closed in its grace";
  for (RawClient& client : clients) ASSERT_EQ(client.wait_end(), End::Closed);
  EXPECT_GE(Clock::now() - first, kWindow / 4) << "in one instant";
  const Event drained = run.wait("drained");
  EXPECT_EQ(drained.number("closed_idle"), kClients);
  EXPECT_EQ(drained.number("cut"), 0);
  expect_clean_stop(run);
}

TEST(ReloadTest, TheNextReloadWaitsForTheOldestDrain) {
  SupervisorRun run({.flags = {"--max-old-generations", "1"}});
  run.wait_ready();
  RawClient slow(run.address());
  const pid_t first_pid = slow.get("/").pid();
  slow.send(get_request("/?duration=1500ms"));
  ASSERT_EQ(run.reload().number("generation"), 2);
  run.signal(SIGHUP);
  const Event third = run.wait_for("done of generation 3", [](const Event& e) {
    return e.name() == "reload_done" && e.number("generation") == 3;
  });
  const Event gone = run.wait_for("exit of the first worker", [&](const Event& e) {
    return e.name() == "worker_exited" && e.number("pid") == first_pid;
  });
  EXPECT_LT(gone.index, third.index);
  EXPECT_EQ(slow.read_response().pid(), first_pid) << "it was cut to make room";
  expect_clean_stop(run);
}

}  // namespace
}  // namespace holdfast::testing
