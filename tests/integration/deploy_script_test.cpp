// The deploy script of docs/deploy.md, as it stands there, in each situation that it knows.
#include <csignal>
#include <filesystem>
#include <future>

#include <gtest/gtest.h>

#include "tests/integration/operator_fixture.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

class DeployScriptTest : public ::testing::Test {
 protected:
  DeployScriptTest() {
    const std::string page = read_text(DEPLOY_PAGE);
    const std::string fence = "```sh\n";
    const std::size_t begin = page.find(fence + "#!/bin/sh\n");
    if (begin == std::string::npos) throw std::runtime_error("no script in docs/deploy.md");
    const std::size_t end = page.find("\n```\n", begin);
    script = files.write("deploy",
                         page.substr(begin + fence.size(), end + 1 - begin - fence.size()), true);
    releases.add_good("v1");
    releases.add_good("v2");
    releases.add("bad", "echo 'no such table: users' >&2\nexit 3");
    releases.add("slow", "exec tail -f /dev/null");  // never ready
    releases.flip("v1");
  }

  void start(std::vector<std::string> flags = {}) {
    run = std::make_unique<SupervisorRun>(
        SupervisorOptions{.flags = std::move(flags), .command = {releases.command()}});
    run->wait_ready();
    name = run->name();
  }

  std::vector<std::string> argv_for(const std::string& release,
                                    const std::vector<std::string>& variables = {}) {
    const std::string bin = std::filesystem::path(holdfast_path()).parent_path().string();
    std::vector<std::string> argv{"env", "APP=" + files.path().string(), "HOLDFAST_NAME=" + name,
                                  "PATH=" + bin + ":/usr/bin:/bin"};
    argv.insert(argv.end(), variables.begin(), variables.end());
    argv.insert(argv.end(), {script, files.file(release)});
    return argv;
  }

  std::string current() const {
    return std::filesystem::read_symlink(files.file("current")).filename().string();
  }

  TempDir files;
  Releases releases{files};
  std::string script;
  std::string name = "nobody-deploys-" + std::to_string(::getpid());
  std::unique_ptr<SupervisorRun> run;
};

TEST_F(DeployScriptTest, GoodDeployServes) {
  start();
  const CommandResult result = run_command(argv_for("v2"));
  EXPECT_EQ(result.status, exited(0)) << result.err;
  EXPECT_EQ(current(), "v2");
  EXPECT_EQ(status_of(*run)["serving"], 2);
}

TEST_F(DeployScriptTest, BadDeployIsTurnedBackAndItsReasonPrinted) {
  start();
  const pid_t old = run->worker_pid(1);
  const CommandResult result = run_command(argv_for("bad"));
  EXPECT_EQ(result.status, exited(10));
  EXPECT_NE(result.err.find("exit code 3; the old generation serves on"), std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("no such table: users"), std::string::npos) << result.err;
  EXPECT_EQ(current(), "v1");
  EXPECT_TRUE(is_alive(old));
}

TEST_F(DeployScriptTest, VersionThatCrashesInProbationIsTurnedBack) {
  start({"--probation", "20s"});
  const pid_t old = run->worker_pid(1);
  const auto crash = std::async(std::launch::async, [&] {
    run->wait("probation_started");
    ::kill(run->worker_pid(2), SIGKILL);
  });
  const CommandResult result = run_command(argv_for("v2"));
  EXPECT_EQ(result.status, exited(10)) << result.err;
  EXPECT_NE(result.err.find("signal 9"), std::string::npos) << result.err;
  EXPECT_EQ(current(), "v1");
  EXPECT_TRUE(is_alive(old));
}

TEST_F(DeployScriptTest, TypingErrorInTheConfigurationTurnsNothing) {
  const std::string config = files.write("holdfast.json", "{\"probation\": \"0s\"}");
  start({"--config", config});
  files.write("holdfast.json", "{\"probatoin\": \"0s\"}");
  // By the check, and by the reload when there is none.
  for (const std::vector<std::string>& variables :
       std::vector<std::vector<std::string>>{{"CONFIG=" + config}, {}}) {
    const CommandResult result = run_command(argv_for("v2", variables));
    EXPECT_EQ(result.status, exited(6)) << result.err;
    EXPECT_NE(result.err.find("holdfast.json:1:"), std::string::npos) << result.err;
    EXPECT_EQ(current(), "v1");
  }
  EXPECT_EQ(run->started_workers().size(), 1u);
}

TEST_F(DeployScriptTest, NobodyRunningIsToldAndTurnedBack) {
  const CommandResult result = run_command(argv_for("v2"));
  EXPECT_EQ(result.status, exited(3)) << result.err;
  EXPECT_EQ(current(), "v1");
}

TEST_F(DeployScriptTest, OvertakenDeployLeavesTheLinkToTheNewerOne) {
  start();
  ChildProcess running({.argv = argv_for("slow", {"TIMEOUT=30s"})});
  run->wait("reload_started");
  ChildProcess overtaken({.argv = argv_for("v1")});
  run->wait("reload_queued");
  ChildProcess newer({.argv = argv_for("v2")});
  EXPECT_EQ(overtaken.wait_exit(), exited(12));
  EXPECT_EQ(current(), "v2");
  // The slow one fails; then the newer one has its turn.
  ::kill(run->worker_pid(2), SIGKILL);
  EXPECT_EQ(running.wait_exit(), exited(10));
  EXPECT_EQ(newer.wait_exit(), exited(0));
  EXPECT_EQ(current(), "v2");
}

TEST_F(DeployScriptTest, FailedDeployNeverTurnsBackToOneThatWasOvertaken) {
  start();
  ChildProcess running({.argv = argv_for("slow", {"TIMEOUT=30s"})});
  run->wait("reload_started");
  ChildProcess overtaken({.argv = argv_for("v2")});
  run->wait("reload_queued");
  ChildProcess bad({.argv = argv_for("bad")});
  EXPECT_EQ(overtaken.wait_exit(), exited(12));
  EXPECT_EQ(current(), "bad");
  ::kill(run->worker_pid(2), SIGKILL);
  EXPECT_EQ(running.wait_exit(), exited(10));
  EXPECT_EQ(bad.wait_exit(), exited(10));
  EXPECT_EQ(current(), "v1") << "v2 never served";
}

TEST_F(DeployScriptTest, FailedDeployTurnsBackToTheLastThatServed) {
  start();
  EXPECT_EQ(run_command(argv_for("v2")).status, exited(0));
  EXPECT_EQ(run_command(argv_for("bad")).status, exited(10));
  EXPECT_EQ(current(), "v2");
}

TEST_F(DeployScriptTest, TimeoutIsNoVerdictAndTurnsNothingBack) {
  start();
  const CommandResult result = run_command(argv_for("slow", {"TIMEOUT=200ms"}));
  EXPECT_EQ(result.status, exited(13)) << result.err;
  EXPECT_EQ(current(), "slow");
  run->wait("reload_started");  // what the command said is there, however late it is read
  EXPECT_EQ(status_of(*run)["state"], "reloading");
}

}  // namespace
}  // namespace holdfast::testing
