// Promise 2: a bad deploy changes nothing. Each test deploys something broken under load and then
// something good: no request fails, the old workers are the same processes, the verdict says why.
#include <algorithm>
#include <chrono>
#include <csignal>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class BadDeployTest : public ::testing::Test {
 protected:
  void SetUp() override {
    releases.add_good("good");
    releases.flip("good");
    run = std::make_unique<SupervisorRun>(SupervisorOptions{
        .flags = {"--ready-timeout", "2s", "--stop-timeout", "3s", "--kill-timeout", "500ms"},
        .command = {releases.command()},
        .workers = "2"});
    run->wait_ready();
    LoadOptions options = mixed_load(run->address());
    load = std::make_unique<LoadClient>(options);
    load->start();
    ASSERT_TRUE(load->wait_for_requests(200));
    serving = run->started_workers(1);
    fds_before = open_fds(run->pid()).size();
  }

  // Deploys the release called "bad" and returns the verdict.
  Event deploy_bad() {
    releases.flip("bad");
    return deploy();
  }
  Event deploy() {
    const Event verdict = run->reload();
    EXPECT_EQ(verdict.name(), "reload_failed") << verdict.fields;
    EXPECT_NE(verdict.text("reason"), "") << verdict.fields;
    return verdict;
  }
  static std::string stderr_tail(const Event& verdict) {
    return verdict.fields.contains("stderr_tail") ? verdict.fields["stderr_tail"].dump() : "";
  }

  void TearDown() override {
    EXPECT_TRUE(load->wait_for_requests(load->requests_done() + 100));
    for (const WorkerInfo& worker : serving) EXPECT_TRUE(is_alive(worker.pid)) << worker.pid;
    EXPECT_EQ(run->started_workers(1).size(), 2u) << "old workers were replaced";

    releases.flip("good");
    const Event verdict = run->reload();
    EXPECT_EQ(verdict.name(), "reload_done") << verdict.fields;
    run->wait_workers(2);
    EXPECT_TRUE(eventually([&] { return open_fds(run->pid()).size() == fds_before; }))
        << open_fds(run->pid()).size() << " descriptors in the supervisor, before: " << fds_before;
    const LoadResult result = load->finish();
    if (expect_no_failed_request) expect_no_failure(result);
    expect_clean_stop(*run);
    if (expect_no_failed_request) expect_all_logged(run->log(), result);
  }

  TempDir files;
  Releases releases{files};
  std::unique_ptr<SupervisorRun> run;
  std::unique_ptr<LoadClient> load;
  std::vector<WorkerInfo> serving;
  std::size_t fds_before = 0;
  bool expect_no_failed_request = true;
};

TEST_F(BadDeployTest, ThatExits) {
  releases.add("bad", "echo 'cannot open /etc/shop.conf' >&2\nexit 3");
  const Event verdict = deploy_bad();
  EXPECT_EQ(verdict.number("exit_code"), 3) << verdict.fields;
  EXPECT_EQ(verdict.number("generation"), 2);
  EXPECT_NE(stderr_tail(verdict).find("cannot open /etc/shop.conf"), std::string::npos)
      << verdict.fields;
}

TEST_F(BadDeployTest, ThatExitsWithZero) {
  releases.add("bad", "exit 0");
  EXPECT_EQ(deploy_bad().fields.value("exit_code", -1), 0);
}

TEST_F(BadDeployTest, ThatSaysALotBeforeItExits) {
  releases.add("bad",
               "i=0\nwhile [ $i -lt 5000 ]; do echo \"line $i\" >&2; i=$((i+1)); done\nexit 1");
  const std::string tail = stderr_tail(deploy_bad());
  EXPECT_NE(tail.find("line 4999"), std::string::npos) << tail;
  EXPECT_EQ(tail.find("line 4900\""), std::string::npos) << "64 lines are kept";
}

TEST_F(BadDeployTest, ThatCrashes) {
  releases.add("bad", "echo 'about to crash' >&2\nkill -SEGV $$");
  const Event verdict = deploy_bad();
  EXPECT_EQ(verdict.number("signal"), SIGSEGV) << verdict.fields;
  EXPECT_NE(stderr_tail(verdict).find("about to crash"), std::string::npos) << verdict.fields;
}

TEST_F(BadDeployTest, ThatIsNeverReady) {
  releases.add("bad", "echo 'waiting for a database' >&2\nexec sleep 1000");
  const Event verdict = deploy_bad();
  EXPECT_NE(stderr_tail(verdict).find("waiting for a database"), std::string::npos)
      << verdict.fields;
}

TEST_F(BadDeployTest, ThatIgnoresTermAndIsNeverReady) {
  releases.add("bad", "trap '' TERM\nwhile :; do sleep 1000; done");
  deploy_bad();
}

TEST_F(BadDeployTest, ThatFailsInTheLibrarysOwnStart) {
  releases.add("bad", "exec \"$DEMO\" --fail-start 9");
  EXPECT_EQ(deploy_bad().number("exit_code"), 9);
}

TEST_F(BadDeployTest, OfWhichOneWorkerIsReadyAndTheOtherIsNot) {
  releases.add("bad", "mkdir \"$0.first\" 2>/dev/null || exec sleep 1000\nexec \"$DEMO\"");
  deploy_bad();
}

TEST_F(BadDeployTest, ThatIsMissing) {
  releases.flip("nowhere");
  deploy();
}

TEST_F(BadDeployTest, ThatIsNotExecutable) {
  files.write("bad/worker", "#!/bin/sh\nexit 0\n", false);
  deploy_bad();
}

TEST_F(BadDeployTest, ThatIsNoProgram) {
  files.write("bad/worker", std::string("\x7f\x45LF, or not", 12), true);
  deploy_bad();
}

TEST_F(BadDeployTest, WhoseInterpreterIsMissing) {
  files.write("bad/worker", "#!/nonexistent/interpreter\n", true);
  deploy_bad();
}

TEST_F(BadDeployTest, ThatIsReplacedByAGoodOneWhileItHangs) {
  releases.add("bad", "exec sleep 1000");
  releases.flip("bad");
  const std::size_t from = run->mark();
  run->signal(SIGHUP);
  run->wait("worker_started", from);
  releases.flip("good");
  run->signal(SIGHUP);  // waits for the verdict on the first, then runs
  EXPECT_EQ(run->wait("reload_failed", from).number("generation"), 2);
  EXPECT_EQ(run->wait("reload_done", from).number("generation"), 3);
  serving.clear();  // they have been replaced, as they should
}

// Everything that a worker can do wrong on its channel, and a word of the verdict: a worker that
// fails for another reason than it was built to would prove nothing.
struct Sin {
  const char* name;
  const char* reason;
};
void PrintTo(const Sin& sin, std::ostream* out) { *out << sin.name; }

class BadSpeakerTest : public BadDeployTest, public ::testing::WithParamInterface<Sin> {};

TEST_P(BadSpeakerTest, IsRefusedAndNothingElseHappens) {
  releases.add("bad", std::string("exec " GARBAGE_WORKER_PATH " ") + GetParam().name);
  const Event verdict = deploy_bad();
  EXPECT_EQ(verdict.number("generation"), 2);
  EXPECT_NE(verdict.text("reason").find(GetParam().reason), std::string::npos) << verdict.fields;
}

INSTANTIATE_TEST_SUITE_P(
    Channel, BadSpeakerTest,
    ::testing::Values(Sin{"not-json", "not a JSON object"}, Sin{"no-type", "no type"},
                      Sin{"wrong-types", "protocol must be"}, Sin{"huge", "too long"},
                      Sin{"binary", "not a JSON object"}, Sin{"deep", "not a JSON object"},
                      Sin{"unasked-fds", "descriptors"}, Sin{"too-many-fds", "no type"},
                      Sin{"ready-first", "before it was welcomed"},
                      Sin{"accepting-first", "ready within"}, Sin{"drained-first", "ready within"},
                      Sin{"wrong-protocol", "no version"}, Sin{"required-unknown", "'sing'"},
                      Sin{"close", "closed its channel"}, Sin{"shutdown", "closed its channel"},
                      Sin{"flood", "ready within"}, Sin{"deaf-to-accept", "accepting within"},
                      Sin{"dies-at-accept", "exited"}, Sin{"hangs-up-at-accept", "channel"},
                      Sin{"drains-at-accept", "drain"}, Sin{"wrong-pid", "ready within"}),
    [](const auto& test) {
      std::string name = test.param.name;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

}  // namespace
}  // namespace holdfast::testing
