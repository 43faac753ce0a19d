// Promise 2, after the new version already took traffic: it is rolled back within probation, the
// old workers are the same processes and accept again at once, and nothing is lost but what a
// failed process owned itself.
#include <algorithm>
#include <chrono>
#include <csignal>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

// Microseconds since midnight: enough to compare two events of one test.
std::int64_t logged_us(const Event& event) {
  const std::string at = event.text("logged_at");  // 2026-01-02T03:04:05.000006Z
  const auto number = [&](std::size_t from, std::size_t size) {
    return std::stoll(at.substr(from, size));
  };
  return ((number(11, 2) * 60 + number(14, 2)) * 60 + number(17, 2)) * 1'000'000 + number(20, 6);
}

GroupOptions clients(const std::string& name, Mode mode, int connections) {
  GroupOptions group;
  group.name = name;
  group.mode = mode;
  group.connections = connections;
  group.think = {0ms, 5ms};
  group.ids = true;
  return group;
}

class RollbackTest : public ::testing::Test {
 protected:
  void SetUp() override {
    releases.add_good("good");
    releases.flip("good");
  }

  void start(std::vector<std::string> flags, const std::string& workers = "2") {
    for (const char* flag : {"--stop-timeout", "3s", "--kill-timeout", "1s"})
      flags.emplace_back(flag);
    run = std::make_unique<SupervisorRun>(SupervisorOptions{
        .flags = std::move(flags), .command = {releases.command()}, .workers = workers});
    run->wait_ready();
    serving = run->started_workers(1);
  }

  // 64 busy connections of the old generation, and clients that come anew each time: those meet the
  // candidate.
  void load_it(const std::string& path = "/") {
    LoadOptions options;
    options.target = run->address();
    options.max_examples = 1000;
    for (GroupOptions group :
         {clients("held", Mode::KeepAlive, 64), clients("fresh", Mode::New, 8)}) {
      group.path = path;
      if (path == "/error") group.status = 500, group.verify = Verify::None;
      options.groups.push_back(group);
    }
    load = std::make_unique<LoadClient>(options);
    load->start();
    ASSERT_TRUE(load->wait_for_requests(1'000));
  }

  void load_it_briskly() {
    load = std::make_unique<LoadClient>(brisk_load(run->address()));
    load->start();
  }

  Event deploy(const std::string& release) {
    releases.flip(release);
    from = run->mark();
    return run->reload();
  }

  void expect_rolled_back(const Event& verdict, const std::string& reason) {
    EXPECT_EQ(verdict.name(), "reload_failed") << verdict.fields;
    EXPECT_NE(verdict.text("reason").find(reason), std::string::npos) << verdict.fields;
    const Event accepting = run->wait("rolled_back", from);
    const auto took = logged_us(accepting) - logged_us(verdict);
    // A message and its answer take some 100 us, and on a crowded machine two turns of the
    // scheduler more; whoever waited for a deadline of the candidate's would wait for seconds.
    EXPECT_LE(took, scaled(500ms).count() * 1'000) << "us until the old ones accept again";
    for (const WorkerInfo& worker : serving) EXPECT_TRUE(is_alive(worker.pid)) << worker.pid;
    EXPECT_EQ(run->started_workers(1).size(), serving.size()) << "old workers were replaced";
    std::printf("accepting again %ld us after the verdict: %s\n", static_cast<long>(took),
                verdict.text("reason").c_str());
  }

  // What the old generation had was never touched; a failed process takes what it had accepted.
  void expect_lost_at_most(std::uint64_t lost) {
    ASSERT_TRUE(load->wait_for_requests(load->requests_done() + 500));
    const LoadResult result = load->finish();
    const GroupResult& held = result.groups.at("held");
    EXPECT_EQ(held.failed(), 0u) << result.summary();
    EXPECT_EQ(held.idle_closed + held.idle_reset + held.connection_close, 0u) << result.summary();
    EXPECT_LE(result.groups.at("fresh").failed(), lost) << result.summary();
    EXPECT_EQ(result.total().count(Failure::Refused), 0u) << result.summary();
    EXPECT_EQ(result.total().count(Failure::Timeout), 0u) << result.summary();
  }

  void expect_a_good_one_still_deploys() {
    EXPECT_EQ(deploy("good").name(), "reload_done");
    run->wait_workers(static_cast<int>(serving.size()));
  }

  TempDir files;
  Releases releases{files};
  std::unique_ptr<SupervisorRun> run;
  std::unique_ptr<LoadClient> load;
  std::vector<WorkerInfo> serving;
  std::size_t from = 0;
};

TEST_F(RollbackTest, AVersionThatCrashesInProbationLosesOnlyWhatItAccepted) {
  releases.add("bad", "exec \"$DEMO\" --crash-after 300ms");
  start({"--probation", "3s"});
  load_it();
  const Event verdict = deploy("bad");
  expect_rolled_back(verdict, "exited");
  EXPECT_EQ(verdict.text("phase"), "probation");
  EXPECT_EQ(verdict.number("signal"), SIGABRT);
  expect_lost_at_most(16);  // two workers crash, each with at most the eight fresh clients
  expect_a_good_one_still_deploys();
  run->stop();
}

TEST_F(RollbackTest, AVersionThatAnswers500IsRolledBackBeforeItsTimeIsOver) {
  releases.add("bad", "exec \"$DEMO\" --answer-500-after 0ms");
  start({"--probation", "3s"});
  load_it();
  const Event verdict = deploy("bad");
  expect_rolled_back(verdict, "with 5xx (the old generation 0 of ");
  ASSERT_TRUE(load->wait_for_requests(load->requests_done() + 500));
  const LoadResult result = load->finish();
  EXPECT_EQ(result.groups.at("held").failed(), 0u) << result.summary();
  const GroupResult& fresh = result.groups.at("fresh");
  EXPECT_EQ(fresh.failed(), fresh.count(Failure::WrongStatus)) << result.summary();
  EXPECT_GE(fresh.count(Failure::WrongStatus), 20u) << "the rule needs twenty";
  expect_a_good_one_still_deploys();
  expect_clean_stop(*run);
  expect_all_logged(run->log(), result);
}

TEST_F(RollbackTest, AServiceThatAnswers500AnywayCanDeployItsFix) {
  releases.add("broken", "exec \"$DEMO\" --answer-500-after 0ms");
  releases.flip("broken");
  start({"--probation", "500ms"});
  LoadOptions options;
  options.target = run->address();
  GroupOptions fresh = clients("fresh", Mode::New, 8);
  options.groups.push_back(fresh);
  LoadClient broken_load(options);
  broken_load.start();
  ASSERT_TRUE(broken_load.wait_for_requests(200));
  EXPECT_EQ(deploy("good").name(), "reload_done");
  broken_load.finish();
  LoadClient mended(options);
  mended.start();
  ASSERT_TRUE(mended.wait_for_requests(200));
  expect_no_failure(mended.finish());
  expect_clean_stop(*run);
}

// 60 % of its answers are 500 because of what its clients ask; so will the next version's be.
TEST_F(RollbackTest, AServiceWhoseClientsCauseErrorsDeploysAsEver) {
  start({"--probation", "500ms"});
  LoadOptions options;
  options.target = run->address();
  options.groups.push_back(clients("fine", Mode::New, 4));
  GroupOptions failing = clients("failing", Mode::New, 6);
  failing.path = "/error";
  failing.status = 500;
  failing.verify = Verify::None;
  options.groups.push_back(failing);
  LoadClient mixed(options);
  mixed.start();
  ASSERT_TRUE(mixed.wait_for_requests(2'000));
  for (int i = 0; i < 3; ++i) {
    const Event verdict = deploy("good");
    EXPECT_EQ(verdict.name(), "reload_done") << verdict.fields;
  }
  expect_no_failure(mixed.finish());
  expect_clean_stop(*run);
}

TEST_F(RollbackTest, ACanaryThatFailsTakesNobodysPlace) {
  releases.add("bad", "exec \"$DEMO\" --crash-after 200ms");
  start({"--probation", "500ms", "--canary", "1", "--canary-time", "20s"});
  load_it();
  const Event verdict = deploy("bad");
  EXPECT_EQ(verdict.text("phase"), "canary") << verdict.fields;
  EXPECT_EQ(run->started_workers(2).size(), 1u) << "more than the canary was started";
  for (const WorkerInfo& worker : serving) EXPECT_TRUE(is_alive(worker.pid));
  expect_lost_at_most(8);
  run->stop();
}

TEST_F(RollbackTest, ACanaryThatProvesItselfIsFollowedByTheOthers) {
  start({"--probation", "200ms", "--canary", "1", "--canary-time", "300ms"}, "3");
  load_it();
  EXPECT_EQ(deploy("good").name(), "reload_done");
  EXPECT_TRUE(run->count("canary_passed") == 1);
  EXPECT_EQ(run->started_workers(2).size(), 3u);
  expect_no_failure(load->finish());
  expect_clean_stop(*run);
}

TEST_F(RollbackTest, WithNoRollbackACrashIsToldAndTheNewOneStays) {
  releases.add("once",
               "mkdir \"$0.crashed\" 2>/dev/null && exec \"$DEMO\" --crash-after 200ms\nexec "
               "\"$DEMO\"");
  start({"--probation", "5s", "--no-rollback"});
  const Event verdict = deploy("once");
  EXPECT_EQ(verdict.name(), "reload_done") << verdict.fields;
  EXPECT_EQ(run->wait("probation_failed", from).text("phase"), "probation");
  run->wait_workers(2);
  EXPECT_EQ(RawClient(run->address()).get("/").generation(), 2);
  run->stop();
}

// In the canary both generations accept, in probation one of them is paused.
class StopInAReloadTest : public RollbackTest, public ::testing::WithParamInterface<const char*> {};

TEST_P(StopInAReloadTest, LosesNothing) {
  start({"--probation", "60s", "--canary", "1", "--canary-time",
         std::string(GetParam()) == "canary_started" ? "60s" : "100ms"});
  load_it();
  releases.flip("good");
  from = run->mark();
  run->signal(SIGHUP);
  run->wait(GetParam(), from);
  load->expect_stop();
  expect_clean_stop(*run);
  const LoadResult result = load->finish();
  EXPECT_EQ(result.failed(), 0u) << result.summary();
  expect_all_logged(run->log(), result);
}

INSTANTIATE_TEST_SUITE_P(Phases, StopInAReloadTest,
                         ::testing::Values("canary_started", "canary_passed", "probation_started"),
                         [](const auto& test) { return std::string(test.param); });

TEST_F(RollbackTest, WhenEveryOldWorkerDiesInProbationTheNewOnesServe) {
  start({"--probation", "60s"});
  from = run->mark();
  run->signal(SIGHUP);
  run->wait("probation_started", from);
  for (const WorkerInfo& worker : serving) ::kill(worker.pid, SIGKILL);
  EXPECT_EQ(run->wait("reload_done", from).number("generation"), 2);
  EXPECT_EQ(RawClient(run->address()).get("/").generation(), 2);
  run->stop();
}

// Each is a verdict of its own or part of the next; none is lost, and the service never notices.
TEST_F(RollbackTest, AStormOfHupsInProbationIsOneMoreReload) {
  start({"--probation", "300ms"});
  load_it();
  from = run->mark();
  run->signal(SIGHUP);
  run->wait("probation_started", from);
  for (int i = 0; i < 50; ++i) run->signal(SIGHUP);
  run->wait_for(
      "the second verdict",
      [](const Event& event) {
        return event.name() == "reload_done" && event.number("generation") == 3;
      },
      from);
  EXPECT_EQ(run->count("reload_done"), 2u);
  expect_no_failure(load->finish());
  expect_clean_stop(*run);
}

TEST_F(RollbackTest, AWorkerStuckInALoopIsReplaced) {
  start({"--heartbeat-timeout", "1s"}, "2");
  const pid_t stuck = serving[0].pid;
  from = run->mark();
  // As good as an endless loop: it neither serves nor answers.
  ::kill(stuck, SIGSTOP);
  const Event missed = run->wait("heartbeat_missed", from);
  EXPECT_EQ(missed.number("pid"), stuck);
  ::kill(stuck, SIGCONT);  // a stopped process keeps SIGABRT pending
  const Event exited = run->wait("worker_exited", from);
  EXPECT_EQ(exited.number("signal"), SIGABRT) << exited.fields;
  EXPECT_EQ(run->wait("worker_accepting", exited.index).number("generation"), 1);
  run->stop();
}

TEST_F(RollbackTest, AWorkerThatSurvivesItsAbortIsKilled) {
  start({"--heartbeat-timeout", "1s"}, "1");
  const pid_t stuck = serving[0].pid;
  from = run->mark();
  ::kill(stuck, SIGSTOP);  // SIGABRT stays pending; SIGKILL does not
  EXPECT_EQ(run->wait("heartbeat_missed", from).number("pid"), stuck);
  const Event killed = run->wait("worker_killed", from);
  EXPECT_EQ(killed.text("phase"), "aborting");
  EXPECT_EQ(run->wait("worker_exited", from).number("signal"), SIGKILL);
  EXPECT_EQ(run->wait("worker_accepting", killed.index).number("generation"), 1);
  run->stop();
}

// With four of them due at once there are never more than five, and never fewer than four.
TEST_F(RollbackTest, WorkersThatAreOldLeaveOneAtATime) {
  start({"--max-age", "1s"}, "4");
  load_it_briskly();
  std::size_t recycled = 0;
  run->wait_for("eight replacements", [&](const Event& event) {
    recycled += event.name() == "worker_recycled";
    return recycled >= 8;
  });
  expect_no_failure(load->finish());
  int accepting = 0;
  int leaving = 0;
  for (const Event& event : run->events().all([](const Event&) { return true; })) {
    accepting += event.name() == "worker_accepting";
    if (event.name() != "worker_recycled") continue;
    EXPECT_EQ(event.text("reason"), "max_age");
    ++leaving;
    EXPECT_GE(accepting - leaving, 4) << "one left before its successor accepted";
    EXPECT_LE(accepting - leaving, 5) << "two at a time";
  }
  run->stop();
}

TEST_F(RollbackTest, AWorkerThatHasServedEnoughLeavesWhenItsSuccessorAccepts) {
  start({"--max-requests", "300"}, "1");
  load_it_briskly();
  const Event recycled = run->wait("worker_recycled");
  EXPECT_EQ(recycled.text("reason"), "max_requests");
  EXPECT_GE(recycled.number("requests"), 270);
  run->wait_for("the second one", [&](const Event& event) {
    return event.name() == "worker_recycled" && event.index > recycled.index;
  });
  const LoadResult result = load->finish();
  const GroupResult total = result.total();
  EXPECT_EQ(total.failed(), 0u) << result.summary();
  expect_clean_stop(*run);
}

}  // namespace
}  // namespace holdfast::testing
