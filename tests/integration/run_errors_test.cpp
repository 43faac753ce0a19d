// `holdfast run` says what is wrong in one line on stderr, `holdfast: cannot <verb> <object>:
// <cause>`, and deploy scripts read its exit status.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

// The lines that are meant for a person.
std::vector<std::string> complaints(SupervisorRun& run) {
  run.events().wait_end();
  std::vector<std::string> found;
  for (const std::string& line : run.events().text()) {
    if (line.starts_with("holdfast: ")) found.push_back(line);
  }
  return found;
}

void expect_refusal(SupervisorRun& run, int code, const std::string& mentions) {
  EXPECT_EQ(run.wait_exit(), exited(code)) << run.events().dump();
  const auto lines = complaints(run);
  ASSERT_EQ(lines.size(), 1u) << run.events().dump();
  EXPECT_NE(lines[0].find(mentions), std::string::npos) << lines[0];
  EXPECT_EQ(run.leftovers(), "");
}

TEST(RunErrorsTest, AMissingCommandIsBadConfiguration) {
  SupervisorRun run({.command = {"/nonexistent/worker"}});
  expect_refusal(run, 6, "/nonexistent/worker");
  EXPECT_EQ(run.count("worker_started"), 0u);
}

TEST(RunErrorsTest, ACommandThatIsNotInPathIsBadConfiguration) {
  SupervisorRun run({.command = {"holdfast-no-such-worker"}});
  expect_refusal(run, 6, "holdfast-no-such-worker");
}

TEST(RunErrorsTest, ACommandThatIsNotExecutableIsBadConfiguration) {
  const TempDir files;
  SupervisorRun run({.command = {files.write("worker", "#!/bin/sh\n")}});
  expect_refusal(run, 6, "worker");
}

TEST(RunErrorsTest, AFirstGenerationThatIsNeverReadyEndsTheRun) {
  SupervisorRun run({.flags = {"--ready-timeout", "300ms", "--kill-timeout", "300ms"},
                     .command = {"/bin/sleep", "1000"}});
  expect_refusal(run, 7, "ready");
}

TEST(RunErrorsTest, ACrashLoopEndsTheRun) {
  const TempDir files;
  const std::string worker =
      files.write("worker", "#!/bin/sh\necho 'no database' >&2\nexit 1\n", true);
  SupervisorRun run({.flags = {"--give-up", "4"}, .command = {worker}});
  EXPECT_EQ(run.wait_exit(), exited(8)) << run.events().dump();
  EXPECT_EQ(run.count("worker_started"), 4u);
  EXPECT_EQ(run.leftovers(), "");
  const auto said = run.events().all([](const Event& e) { return e.name() == "worker_output"; });
  EXPECT_EQ(said.size(), 4u);
}

TEST(RunErrorsTest, ATakenAddressIsNamedWithItsHolder) {
  SupervisorRun first;
  first.wait_ready();
  SupervisorRun second({.listen = {first.address()}});
  EXPECT_EQ(second.wait_exit(), exited(1));
  const auto lines = complaints(second);
  ASSERT_EQ(lines.size(), 1u) << second.events().dump();
  EXPECT_NE(lines[0].find(first.address()), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find(std::to_string(first.pid())), std::string::npos)
      << lines[0] << " does not name " << first.pid();
  EXPECT_EQ(second.count("worker_started"), 0u);
  EXPECT_EQ(RawClient(first.address()).get("/").status, 200);
  expect_clean_stop(first);
}

TEST(RunErrorsTest, AStartThatFailsLeavesNoLockOnItsNameBehind) {
  const TempDir files;
  SupervisorOptions options;
  options.environment.emplace("XDG_RUNTIME_DIR", files.path().string());
  options.flags = {"--control", files.file("missing/control.sock")};
  SupervisorRun run(options);
  expect_refusal(run, 1, "missing/control.sock");
  const std::string folder = ::geteuid() == 0 ? "/run/holdfast" : files.file("holdfast");
  EXPECT_TRUE(std::filesystem::is_directory(folder));
  EXPECT_FALSE(std::filesystem::exists(folder + "/" + run.name() + ".lock"));
}

TEST(RunErrorsTest, ALiveUnixSocketIsAnErrorAndAStaleOneIsReplaced) {
  const TempDir files;
  const std::string address = "unix:" + files.file("http.sock");
  pid_t orphan = 0;
  {
    SupervisorRun first({.listen = {address}});
    first.wait_ready();
    SupervisorRun second({.listen = {address}});
    EXPECT_EQ(second.wait_exit(), exited(1));
    EXPECT_EQ(RawClient(address).get("/").status, 200) << "the live one was disturbed";
    orphan = first.worker_pid(1);
    first.signal(SIGKILL);  // leaves the path behind
    first.wait_exit();
    ::kill(orphan, SIGKILL);
    ASSERT_TRUE(wait_gone(orphan));
  }
  ASSERT_TRUE(std::filesystem::exists(files.file("http.sock")));
  SupervisorRun third({.listen = {address}});
  third.wait_ready();
  EXPECT_EQ(RawClient(address).get("/").status, 200);
  expect_clean_stop(third);
}

struct Usage {
  const char* name;
  std::vector<std::string> arguments;
};
void PrintTo(const Usage& usage, std::ostream* out) { *out << usage.name; }

class UsageTest : public ::testing::TestWithParam<Usage> {};

TEST_P(UsageTest, IsExplainedOnStderr) {
  std::vector<std::string> argv = {holdfast_path()};
  argv.insert(argv.end(), GetParam().arguments.begin(), GetParam().arguments.end());
  const CommandResult result = run_command(argv);
  EXPECT_EQ(result.status, exited(2)) << result.err;
  EXPECT_NE(result.err, "");
  EXPECT_EQ(result.out, "");
}

INSTANTIATE_TEST_SUITE_P(
    Mistakes, UsageTest,
    ::testing::Values(
        Usage{"no_subcommand", {}}, Usage{"unknown_subcommand", {"fly"}},
        Usage{"no_command", {"run", "--listen", "127.0.0.1:0"}},
        Usage{"no_listener", {"run", "--", "/bin/true"}},
        Usage{"unknown_flag", {"run", "--listen", "127.0.0.1:0", "--fly", "--", "/bin/true"}},
        Usage{"bad_address", {"run", "--listen", "127.0.0.1:99999", "--", "/bin/true"}},
        Usage{"bad_duration",
              {"run", "--listen", "127.0.0.1:0", "--stop-timeout", "soon", "--", "/bin/true"}},
        Usage{"bad_count",
              {"run", "--listen", "127.0.0.1:0", "--workers", "none", "--", "/bin/true"}}),
    [](const auto& test) { return test.param.name; });

TEST(RunErrorsTest, HelpAndVersionGoToStdoutAndSucceed) {
  for (const char* flag : {"--help", "--version"}) {
    const CommandResult result = run_command({holdfast_path(), flag});
    EXPECT_EQ(result.status, exited(0));
    EXPECT_NE(result.out.find("holdfast"), std::string::npos);
  }
}

TEST(RunErrorsTest, ANameThatIsHeldIsRefused) {
  SupervisorRun first;
  first.wait_ready();
  const CommandResult second = run_command({holdfast_path(), "run", "--name", first.name(),
                                            "--listen", "127.0.0.1:0", "--", demo_path()});
  EXPECT_EQ(second.status, exited(1)) << second.err;
  EXPECT_NE(second.err.find(first.name()), std::string::npos) << second.err;
  expect_clean_stop(first);
}

}  // namespace
}  // namespace holdfast::testing
