// Promises 1 and 3 for servers that are not ours: each example is reloaded under load, several
// times, and then stopped under load.
#include <chrono>
#include <csignal>
#include <fstream>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

struct Server {
  std::string name;
  std::string program;
  bool logs = true;
};

std::ostream& operator<<(std::ostream& out, const Server& server) { return out << server.name; }

class BringYourOwnTest : public ::testing::TestWithParam<Server> {
 protected:
  SupervisorOptions options(std::vector<std::string> flags = {}) const {
    return {.flags = std::move(flags), .command = {GetParam().program}, .workers = "2"};
  }
};

// Also connections that hold still before their first byte, or in the middle of their head.
LoadOptions patient_load(const std::string& address) {
  LoadOptions load = brisk_load(address);
  for (const Mode mode : {Mode::Preconnect, Mode::HalfHead}) {
    GroupOptions group;
    group.name = mode == Mode::Preconnect ? "silent" : "halves";
    group.mode = mode;
    group.connections = 4;
    group.think = {20ms, 300ms};
    group.ids = true;
    load.groups.push_back(group);
  }
  return load;
}

TEST_P(BringYourOwnTest, NoClientNoticesReloadAfterReloadAndThenTheStop) {
  SupervisorRun run(options());
  run.wait_ready();
  LoadClient load(patient_load(run.address()));
  load.start();
  ASSERT_TRUE(load.wait_for_requests(200));
  const int reloads = rounds("HOLDFAST_TEST_RELOADS", 8);
  for (int i = 1; i <= reloads; ++i) {
    const Event verdict = run.reload();
    ASSERT_EQ(verdict.name(), "reload_done") << verdict.fields;
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 50));
  }
  const LoadResult reloaded = load.finish();
  expect_no_failure(reloaded);

  LoadOptions last = brisk_load(run.address());
  for (GroupOptions& group : last.groups) group.name = "last-" + group.name;
  LoadClient stopped(last);
  stopped.start();
  ASSERT_TRUE(stopped.wait_for_requests(500));
  stopped.expect_stop();
  expect_clean_stop(run);
  LoadResult result = stopped.finish();
  expect_no_failure(result);
  result.groups.insert(reloaded.groups.begin(), reloaded.groups.end());
  if (GetParam().logs) expect_all_logged(run.log(), result);
  for (const Event& e : run.all("drained")) EXPECT_EQ(e.number("cut"), 0) << e.fields;
  std::printf("%s: %d reloads, %s\n", GetParam().name.c_str(), reloads, reloaded.summary().c_str());
}

TEST_P(BringYourOwnTest, StopsUnderLoadLoseNothing) {
  for (int i = 0, stops = rounds("HOLDFAST_TEST_STOPS", 3); i < stops; ++i) {
    SupervisorRun run(options());
    run.wait_ready();
    LoadOptions load = brisk_load(run.address());
    load.groups.push_back({.name = "rush", .mode = Mode::New, .connections = 16, .ids = true});
    LoadClient client(load);
    client.start();
    ASSERT_TRUE(client.wait_for_requests(500));
    client.expect_stop();
    expect_clean_stop(run);
    const LoadResult result = client.finish();
    expect_no_failure(result);
    if (GetParam().logs) expect_all_logged(run.log(), result);
    ASSERT_FALSE(::testing::Test::HasFailure()) << "at stop " << i + 1;
  }
}

TEST_P(BringYourOwnTest, IdleConnectionsGoInGoodOrderAndDoNotHoldUpTheDrain) {
  SupervisorRun run(options());
  run.wait_ready();
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 10; ++i) {
    idle.push_back(std::make_unique<RawClient>(run.address()));
    EXPECT_EQ(idle.back()->get("/").status, 200);
  }
  RawClient silent(run.address());
  const TimePoint begun = Clock::now();
  ASSERT_EQ(run.reload().name(), "reload_done");
  run.wait_workers(2);
  EXPECT_LT(Clock::now() - begun, scaled(4s));
  for (auto& client : idle) EXPECT_EQ(client->wait_end(), End::Closed);
  EXPECT_EQ(silent.wait_end(), End::Closed);
  std::int64_t closed = 0;
  for (const Event& e : run.all("drained")) closed += e.number("closed_idle");
  EXPECT_EQ(closed, 11);
  expect_clean_stop(run);
}

TEST_P(BringYourOwnTest, ARequestWithinTheGraceIsAnsweredAndToldToClose) {
  SupervisorRun run(
      {.flags = {"--idle-grace", "5s", "--new-grace", "5s"}, .command = {GetParam().program}});
  run.wait_ready();
  RawClient idle(run.address());
  idle.get("/");
  RawClient fresh(run.address());
  RawClient half(run.address());
  half.send("GET / HTTP/1.1\r\nHo");
  idle.get("/");  // so all are accepted
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_TRUE(eventually([&] { return idle.get("/").says_close(); }));
  EXPECT_TRUE(fresh.get("/").says_close());
  half.send("st: test\r\n\r\n");
  EXPECT_EQ(half.read_response().status, 200);
  EXPECT_EQ(idle.wait_end(), End::Closed);
  EXPECT_EQ(fresh.wait_end(), End::Closed);
  run.wait_workers(1);
  expect_clean_stop(run);
}

TEST_P(BringYourOwnTest, AHeadThatIsHalfThereOutlivesTheGrace) {
  SupervisorRun run(options({"--idle-grace", "100ms", "--new-grace", "100ms"}));
  run.wait_ready();
  RawClient half(run.address());
  half.send("GET / HTTP/1.1\r\nHo");
  RawClient second(run.address());
  second.get("/");
  second.send("GET / HTTP/1.1\r\nHo");
  RawClient other(run.address());
  other.get("/");
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(other.wait_end(), End::Closed);  // the grace is over
  half.send("st: test\r\n\r\n");
  EXPECT_EQ(half.read_response().status, 200);
  second.send("st: test\r\n\r\n");
  EXPECT_EQ(second.read_response().status, 200);
  expect_clean_stop(run);
}

TEST_P(BringYourOwnTest, WhatIsQueuedAtAStopIsAnswered) {
  SupervisorRun run({.command = {GetParam().program}});
  run.wait_ready();
  expect_queue_answered_at_stop(run, 20);
}

#ifdef BEAST_SERVER
// It accepts from all of its listeners or from none; here from all, beside the new generation.
TEST(BringYourOwnListenersTest, OneThatAReloadTakesAwayLosesNobodyThatItTook) {
  const TempDir files;
  const auto write = [&](const std::string& listeners) {
    std::ofstream(files.file("f")) << R"({"probation": "0", "listen": [)" << listeners << "]}";
  };
  write(R"("127.0.0.1:0", "extra=127.0.0.1:0")");
  SupervisorRun run({.listen = {},
                     .flags = {"--config", files.file("f")},
                     .command = {BEAST_SERVER},
                     .workers = "2"});
  run.wait_ready();
  LoadClient kept(brisk_load(run.address(0)));
  LoadClient removed(brisk_load(run.address(1)));
  kept.start();
  removed.start();
  ASSERT_TRUE(kept.wait_for_requests(200));
  ASSERT_TRUE(removed.wait_for_requests(200));
  removed.expect_stop();
  write(R"("127.0.0.1:0")");
  ASSERT_EQ(run.reload().name(), "reload_done");
  expect_no_failure(removed.join());
  ASSERT_TRUE(kept.wait_for_requests(kept.requests_done() + 200));
  expect_no_failure(kept.finish());
  expect_clean_stop(run);
}
#endif

TEST_P(BringYourOwnTest, TheDeadlineCutsWhatIsLeft) {
  SupervisorRun run(options({"--stop-timeout", "300ms"}));
  run.wait_ready();
  RawClient half(run.address());
  half.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\nhalf");
  RawClient(run.address()).get("/");
  ASSERT_EQ(run.reload().name(), "reload_done");
  run.wait_workers(2);
  EXPECT_NE(half.wait_end(), End::StillOpen);
  std::int64_t cut = 0;
  for (const Event& e : run.all("drained")) cut += e.number("cut");
  EXPECT_EQ(cut, 1);
  expect_clean_stop(run);
}

TEST_P(BringYourOwnTest, ADrainingWorkerSleepsWhileOthersAccept) {
  SupervisorRun run({.flags = {"--stop-timeout", "20s"}, .command = {GetParam().program}});
  run.wait_ready();
  RawClient slow(run.address());
  slow.send("POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 8\r\n\r\nhalf");
  RawClient(run.address()).get("/");  // so it is accepted
  const pid_t old_pid = run.worker_pid(1);
  ASSERT_EQ(run.reload().name(), "reload_done");
  expect_sleeps_while_others_accept(run, old_pid);
  slow.send("half");
  EXPECT_EQ(slow.read_response().body, "halfhalf");
  expect_clean_stop(run);
}

// The candidate dies while one old worker has paused and the other has not answered yet.
TEST_P(BringYourOwnTest, APausedWorkerAcceptsAgainWhenTheReloadFails) {
  SupervisorRun run(options({"--pause-timeout", "20s"}));
  run.wait_ready();
  const auto old = run.started_workers(1);
  ASSERT_EQ(old.size(), 2u);
  ::kill(old[0].pid, SIGSTOP);
  const std::size_t from = run.mark();
  run.signal(SIGHUP);
  for (int accepting = 0; accepting < 2; ++accepting) {
    run.wait_for("the candidate accepts", [&](const Event& e) {
      return e.name() == "worker_accepting" && e.number("generation") == 2 &&
             e.number("worker") == old[1].worker + 1 + accepting;
    });
  }
  for (const WorkerInfo& worker : run.started_workers(2)) ::kill(worker.pid, SIGKILL);
  EXPECT_EQ(run.wait("reload_failed", from).number("generation"), 2);
  EXPECT_EQ(RawClient(run.address()).get("/").generation(), 1);
  ::kill(old[0].pid, SIGCONT);
  EXPECT_EQ(run.reload().name(), "reload_done");
  expect_clean_stop(run);
}

const std::vector<Server> kServers = {
    {"beast", BEAST_SERVER},
#ifdef HTTPLIB_SERVER
    {"httplib", HTTPLIB_SERVER},
#endif
#ifdef MHD_SERVER
    {"mhd", MHD_SERVER},
#endif
};

INSTANTIATE_TEST_SUITE_P(Servers, BringYourOwnTest, ::testing::ValuesIn(kServers),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace holdfast::testing
