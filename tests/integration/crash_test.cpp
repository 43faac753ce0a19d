// Promise 5, and what a crash costs: a worker that dies takes its own connections along and nothing
// else; a supervisor that dies takes nothing.
#include <chrono>
#include <csignal>
#include <fstream>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

TEST(CrashTest, AKilledWorkerCostsOnlyItsOwnConnections) {
  SupervisorRun run({.workers = "2"});
  run.wait_ready();
  std::vector<std::pair<std::unique_ptr<RawClient>, pid_t>> clients;
  std::set<pid_t> workers;
  while (clients.size() < 20 || (workers.size() < 2 && clients.size() < 2000)) {
    auto client = std::make_unique<RawClient>(run.address());
    const pid_t pid = client->get("/").pid();
    workers.insert(pid);
    clients.emplace_back(std::move(client), pid);
  }
  ASSERT_EQ(workers.size(), 2u) << "one worker took every connection";
  LoadClient load(brisk_load(run.address()));
  load.start();
  ASSERT_TRUE(load.wait_for_requests(500));

  const pid_t victim = *workers.begin();
  const auto open = load.connections_open();
  const std::size_t from = run.mark();
  ::kill(victim, SIGKILL);
  const Event exit = run.wait("worker_exited", from);
  EXPECT_EQ(exit.number("pid"), victim);
  EXPECT_EQ(exit.number("signal"), SIGKILL);
  const Event ready = run.wait("worker_ready", from);
  EXPECT_EQ(ready.number("generation"), 1) << "a respawn is no reload";
  EXPECT_NE(ready.number("worker"), exit.number("worker")) << "worker numbers are never reused";
  const auto gap = std::chrono::duration_cast<Millis>(ready.at - exit.at);
  EXPECT_EQ(run.count("respawn_delayed"), 0u) << "the first one is replaced at once";

  for (auto& [client, pid] : clients) {
    if (pid == victim) {
      EXPECT_NE(client->wait_end(), End::StillOpen);
    } else {
      EXPECT_EQ(client->get("/").pid(), pid);
    }
  }
  ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 500));
  const LoadResult result = load.finish();
  const GroupResult total = result.total();
  EXPECT_EQ(total.count(Failure::Refused), 0u) << result.summary();
  EXPECT_EQ(total.count(Failure::ConnectReset), 0u) << result.summary();
  EXPECT_EQ(total.count(Failure::ConnectTimeout), 0u) << result.summary();
  EXPECT_EQ(total.count(Failure::Timeout), 0u) << result.summary();
  EXPECT_LE(total.failed(), open) << "more requests failed than it can have held";
  expect_clean_stop(run);
  const AccessLog log = run.log();
  // The kernel may stop in the middle of the killed worker's write(2): one line without its end.
  EXPECT_LE(log.bad().size(), 1u) << log.bad()[1];
  EXPECT_TRUE(log.duplicates().empty());
  std::printf("kill -9: back after %ld ms, %lu of %lu requests failed\n", gap.count(),
              total.failed(), total.begun);
}

// In a memory cgroup of its own, where only root can make one.
TEST(CrashTest, AKillForWantOfMemoryIsReportedAsOne) {
  const std::string name = "holdfast-test-" + std::to_string(::getpid());
  std::string group;
  for (const std::string parent : {"/sys/fs/cgroup/memory/", "/sys/fs/cgroup/"}) {
    if (::mkdir((parent + name).c_str(), 0755) != 0) continue;
    const bool v2 = ::access((parent + name + "/memory.max").c_str(), W_OK) == 0;
    const bool v1 = ::access((parent + name + "/memory.limit_in_bytes").c_str(), W_OK) == 0;
    if (v1 || v2) {
      group = parent + name;
      std::ofstream(group + (v2 ? "/memory.max" : "/memory.limit_in_bytes")) << "60M";
      break;
    }
    ::rmdir((parent + name).c_str());
  }
  if (group.empty()) GTEST_SKIP() << "no memory cgroup can be made here";
  const TempDir files;
  Releases releases(files);
  releases.add("hungry",
               "echo $$ > " + group + "/cgroup.procs\nexec python3 -c 'x = bytearray(200 << 20)'");
  releases.add_good("good");
  releases.flip("good");
  {
    SupervisorRun run({.command = {releases.command()}});
    run.wait_ready();
    releases.flip("hungry");
    const Event verdict = run.reload();
    EXPECT_EQ(verdict.name(), "reload_failed");
    EXPECT_EQ(verdict.number("signal"), SIGKILL) << verdict.fields;
    EXPECT_TRUE(verdict.fields.value("oom_killed", false)) << verdict.fields;
    ::kill(run.worker_pid(1), SIGKILL);
    const Event killed = run.wait_for("the end of the worker that was killed", [](const Event& e) {
      return e.name() == "worker_exited" && e.number("generation") == 1;
    });
    EXPECT_FALSE(killed.fields.contains("oom_killed")) << killed.fields;
    run.stop();
  }
  ::rmdir(group.c_str());
}

TEST(CrashTest, AWorkerThatDiesAgainAndAgainAfterReadyIsReplacedForEver) {
  SupervisorRun run({.flags = {"--give-up", "3"}});
  run.wait_ready();
  std::size_t from = 0;
  pid_t pid = run.worker_pid(1);
  for (int i = 0; i < 5; ++i) {
    from = run.mark();
    ::kill(pid, SIGKILL);
    pid = static_cast<pid_t>(run.wait("worker_ready", from).number("pid"));
  }
  EXPECT_EQ(RawClient(run.address()).get("/").pid(), pid);
  expect_clean_stop(run);
}

TEST(CrashTest, ThePortNeverRefusesWhileNobodyServes) {
  SupervisorRun run;
  run.wait_ready();
  const std::string address = run.address();
  const pid_t worker = run.worker_pid(1);
  ::kill(worker, SIGKILL);
  ASSERT_TRUE(wait_gone(worker));
  EXPECT_EQ(RawClient(address).get("/").body, "Hello, world!");
  expect_clean_stop(run);
}

TEST(CrashTest, AWorkerThatDrainsByItselfIsReplacedAtOnce) {
  SupervisorRun run;
  run.wait_ready();
  RawClient slow(run.address());
  const pid_t worker = slow.get("/").pid();
  slow.send(get_request("/?duration=1500ms"));
  const std::size_t from = run.mark();
  ::kill(worker, SIGTERM);
  const Event ready = run.wait("worker_ready", from);
  EXPECT_TRUE(is_alive(worker)) << "the replacement must not wait for the drain";
  EXPECT_EQ(RawClient(run.address()).get("/").pid(), ready.number("pid"));
  EXPECT_EQ(slow.read_response().pid(), worker);
  const Event exit = run.wait("worker_exited", from);
  EXPECT_EQ(exit.number("pid"), worker);
  EXPECT_EQ(exit.fields.value("exit_code", -1), 0);
  expect_clean_stop(run);
}

TEST(CrashTest, AWorkerThatHangsUpItsChannelIsReplaced) {
  const TempDir files;
  Releases releases(files);
  releases.add_good("good");
  releases.flip("good");
  SupervisorRun run({.command = {releases.command()}});
  run.wait_ready();
  // Stopped workers answer no heartbeat; that is a hang, and a hang is a crash in slow motion.
  const pid_t worker = run.worker_pid(1);
  const std::size_t from = run.mark();
  ::kill(worker, SIGSTOP);
  run.signal(SIGHUP);
  run.wait("reload_done", from);  // its pause is never acknowledged: pause_timeout, and on
  EXPECT_EQ(RawClient(run.address()).get("/").generation(), 2);
  ::kill(worker, SIGCONT);
  expect_clean_stop(run);
}

TEST(CrashTest, ASupervisorThatIsKilledTakesNobodyAlong) {
  SupervisorRun run({.flags = {"--orphan-timeout", "2s"}, .workers = "2"});
  run.wait_ready();
  const std::string address = run.address();
  RawClient client(address);
  client.get("/");
  LoadClient load(brisk_load(address));
  load.start();
  ASSERT_TRUE(load.wait_for_requests(200));
  run.signal(SIGKILL);
  EXPECT_EQ(run.wait_exit(), killed_by(SIGKILL));
  EXPECT_EQ(client.get("/").body, "Hello, world!");
  ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 500));
  const TimePoint orphaned = Clock::now();
  load.expect_stop();
  for (const WorkerInfo& worker : run.started_workers()) EXPECT_TRUE(wait_gone(worker.pid));
  EXPECT_GE(Clock::now() - orphaned, 500ms) << "they left long before orphan_timeout";
  const LoadResult result = load.finish();
  // Nobody holds the port when the last one leaves, so what is queued then is lost; the connections
  // they had are not.
  const GroupResult& posts = result.groups.at("posts");
  EXPECT_EQ(posts.failed(), 0u) << result.summary();
  EXPECT_TRUE(is_refused(address));
  EXPECT_TRUE(run.log().bad().empty());
}

}  // namespace
}  // namespace holdfast::testing
