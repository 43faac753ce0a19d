#include "supervisor/io/process_launcher.hpp"

#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/wait.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/unit/supervisor/io_fixture.hpp"

namespace holdfast::supervisor {
namespace {

class ProcessLauncherTest : public ::testing::Test {
 protected:
  // Runs a shell script as a worker and returns what it wrote to stderr.
  std::string run(const std::string& script, LaunchPlan plan = {}) {
    plan.executable = "/bin/sh";
    plan.arguments = {"worker", "-c", script};
    if (plan.cwd.empty()) plan.cwd = "/";
    auto output = ::holdfast::output_pipe().value();
    auto channel = seqpacket_pair().value();
    channel_number = channel.second.get();
    auto launched = launcher.launch(plan, channel.second.get(), output.second.get());
    EXPECT_TRUE(launched) << launched.error().message;
    output.second.reset();
    channel.second.reset();
    ::fcntl(output.first.get(), F_SETFL, 0);  // this test may wait
    const std::string said = read_all(output.first.get());
    EXPECT_EQ(::waitpid(launched->pid, &status, 0), launched->pid);
    return said;
  }

  static std::set<std::string> lines(const std::string& text) {
    std::set<std::string> all;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) all.insert(line);
    return all;
  }

  ProcessLauncher launcher;
  int channel_number = -1;
  int status = 0;
};

TEST_F(ProcessLauncherTest, AWorkerGetsThreeStandardDescriptorsAndItsChannel) {
  // Descriptors of all kinds and numbers, as a busy supervisor has them.
  std::vector<UniqueFd> ours;
  for (int i = 0; i < 20; ++i) ours.push_back(open_file("/dev/null", O_RDONLY).value());
  ours.push_back(UniqueFd(::fcntl(ours[0].get(), F_DUPFD_CLOEXEC, 700)));
  // What this test's own parent leaked is main's business
  // (keep_inherited_descriptors_to_ourselves).
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  const std::string said = run("exec ls -l /proc/self/fd >&2");
  std::set<std::string> numbers;
  std::istringstream in(said);
  for (std::string line; std::getline(in, line);) {
    const std::size_t arrow = line.find(" -> ");
    const bool opened_by_ls = line.ends_with("/fd");
    if (arrow == std::string::npos || opened_by_ls) continue;
    const std::size_t begin = line.rfind(' ', arrow - 1) + 1;
    numbers.insert(line.substr(begin, arrow - begin));
  }
  EXPECT_EQ(numbers, (std::set<std::string>{"0", "1", "2", std::to_string(channel_number)}))
      << said;
}

TEST_F(ProcessLauncherTest, TheChannelIsFoundByItsVariable) {
  const std::string said =
      run("echo $HOLDFAST_CHANNEL_FD >&2; readlink /proc/$$/fd/$HOLDFAST_CHANNEL_FD >&2");
  EXPECT_EQ(said.substr(0, said.find('\n')), std::to_string(channel_number));
  EXPECT_NE(said.find("socket:"), std::string::npos);
}

// The numbers that it gets are in use here for other things, in the other order, or free.
TEST_F(ProcessLauncherTest, ListenersAreAtThreeAndUpWhateverTheirNumbersWere) {
  // As main() does: what the test's own parent leaked is not the launcher's.
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  std::vector<UniqueFd> pipes;
  std::vector<int> wanted;
  for (int i = 0; i < 4; ++i) {
    auto pipe = ::holdfast::output_pipe().value();
    wanted.insert(wanted.begin(), pipe.second.get());
    pipes.push_back(std::move(pipe.first));
    pipes.push_back(std::move(pipe.second));
  }
  auto output = ::holdfast::output_pipe().value();
  const LaunchPlan plan{"/bin/sh",
                        {"worker", "-c",
                         "for i in 3 4 5 6; do readlink /proc/$$/fd/$i; done >&2; "
                         "echo $LISTEN_PID $$ >&2; exec ls /proc/self/fd >&2"},
                        "/",
                        {"PATH=/bin:/usr/bin"}};
  const auto link = [](int fd) {
    return std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd)).string();
  };
  std::string expected;
  for (const int fd : wanted) expected += link(fd) + "\n";
  LaunchDescriptors descriptors;
  descriptors.stderr_target = output.second.get();
  descriptors.from_three = wanted;
  descriptors.pid_variables = {"LISTEN_PID"};
  const auto launched = launcher.launch(plan, descriptors);
  ASSERT_TRUE(launched) << launched.error().message;
  output.second.reset();
  ::fcntl(output.first.get(), F_SETFL, 0);
  const std::string said = read_all(output.first.get());
  ::waitpid(launched->pid, &status, 0);
  const std::string pid = std::to_string(launched->pid);
  expected += pid + " " + pid + "\n0\n1\n2\n3\n4\n5\n6\n7\n";  // the last one is ls's own
  EXPECT_EQ(said, expected);
}

// Boost reports a failed exec over a pipe of its own, which must not be where a listener goes.
TEST_F(ProcessLauncherTest, AFailedExecIsSeenWithListenersToo) {
  ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  const auto output = ::holdfast::output_pipe().value();
  for (std::size_t count = 1; count < 12; ++count) {
    LaunchDescriptors descriptors;
    descriptors.stderr_target = output.second.get();
    descriptors.from_three.assign(count, output.second.get());
    const auto launched =
        launcher.launch({"/nonexistent/service", {"service"}, "/", {}}, descriptors);
    ASSERT_FALSE(launched) << count;
    EXPECT_EQ(launched.error().message, "cannot run service: No such file or directory");
  }
}

TEST_F(ProcessLauncherTest, SignalsAreAsADaemonExpectsThem) {
  sigset_t all;
  sigset_t old;
  ::sigfillset(&all);
  ::sigprocmask(SIG_BLOCK, &all, &old);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGUSR2, SIG_IGN);
  const std::string said = run("exec cat /proc/self/status >&2");
  ::sigprocmask(SIG_SETMASK, &old, nullptr);
  ::signal(SIGPIPE, SIG_DFL);
  ::signal(SIGUSR2, SIG_DFL);
  // HUP, INT and QUIT are bits 0, 1 and 2.
  const std::set<std::string> status_lines = lines(said);
  EXPECT_TRUE(status_lines.contains("SigBlk:\t0000000000000000")) << said;
  EXPECT_TRUE(status_lines.contains("SigIgn:\t0000000000000007")) << said;
}

TEST_F(ProcessLauncherTest, AWorkerLeadsAProcessGroupOfItsOwn) {
  const std::string said = run("exec cut -d' ' -f1,5 /proc/self/stat >&2");
  const std::size_t space = said.find(' ');
  EXPECT_EQ(said.substr(0, space) + "\n", said.substr(space + 1));
}

TEST_F(ProcessLauncherTest, StandardInputIsEmptyAndTheDirectoryIsThePlans) {
  LaunchPlan plan;
  plan.cwd = "/proc/self/";
  plan.cwd = "/usr";
  EXPECT_EQ(run("readlink /proc/$$/fd/0 >&2; pwd >&2", plan), "/dev/null\n/usr\n");
}

TEST_F(ProcessLauncherTest, TheEnvironmentIsThePlans) {
  LaunchPlan plan;
  plan.environment = {"COLOUR=green"};
  const std::set<std::string> variables = lines(run("exec cat /proc/$$/environ >&2", plan));
  EXPECT_EQ(variables.size(), 1U);
  const std::string all = *variables.begin();
  EXPECT_NE(all.find("COLOUR=green"), std::string::npos);
  EXPECT_NE(all.find("HOLDFAST_CHANNEL_FD="), std::string::npos);
  EXPECT_EQ(all.find("PATH="), std::string::npos);
}

TEST_F(ProcessLauncherTest, AFailedExecSaysWhyAndLeavesNoZombie) {
  const auto output = ::holdfast::output_pipe().value();
  const auto channel = seqpacket_pair().value();
  LaunchPlan plan{"/nonexistent/service", {"service"}, "/", {}};
  const auto launched = launcher.launch(plan, channel.second.get(), output.second.get());
  ASSERT_FALSE(launched);
  EXPECT_EQ(launched.error().message, "cannot run service: No such file or directory");
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "no child is left";
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(ProcessLauncherTest, AMissingDirectorySaysWhy) {
  const auto output = ::holdfast::output_pipe().value();
  const auto channel = seqpacket_pair().value();
  LaunchPlan plan{"/bin/true", {"true"}, "/nonexistent", {}};
  EXPECT_FALSE(launcher.launch(plan, channel.second.get(), output.second.get()));
}

TEST_F(ProcessLauncherTest, AWorkerOutlivesItsLauncher) {
  const auto output = ::holdfast::output_pipe().value();
  const auto channel = seqpacket_pair().value();
  LaunchPlan plan{"/bin/sleep", {"sleep", "60"}, "/", {}};
  auto own = std::make_unique<ProcessLauncher>();
  auto launched = own->launch(plan, channel.second.get(), output.second.get()).value();
  own.reset();
  EXPECT_EQ(::kill(launched.pid, 0), 0);
  pollfd alive{launched.pidfd.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&alive, 1, 0), 0);
  ::kill(launched.pid, SIGKILL);
  EXPECT_EQ(::poll(&alive, 1, 5'000), 1) << "the pidfd tells the end";
  ::waitpid(launched.pid, nullptr, 0);
}

TEST_F(ProcessLauncherTest, LaunchingLeaksNoDescriptor) {
  const auto count = [] {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  };
  run("exit 0");
  const auto before = count();
  for (int i = 0; i < 20; ++i) run("exit 0");
  EXPECT_EQ(count(), before);
}

}  // namespace
}  // namespace holdfast::supervisor
