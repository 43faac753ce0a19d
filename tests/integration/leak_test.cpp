// A worker gets what it is given and nothing else: no descriptor, no variable, no signal state of
// the supervisor's or of whoever started that.
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <sstream>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

TEST(LeakTest, AWorkerHoldsItsChannelAndItsStandardDescriptorsAtBirth) {
  const TempDir files;
  // The facts at birth, before a library has received or opened anything.
  const std::string fresh = files.file("fds.new");
  const std::string worker =
      files.write("worker",
                  "#!/bin/sh\nls -l /proc/self/fd > '" + fresh +
                      "'\necho \"channel -> $HOLDFAST_CHANNEL_FD\" >> '" + fresh + "'\nmv '" +
                      fresh + "' '" + files.file("fds") + "'\nexec '" + demo_path() + "'\n",
                  true);
  // Something that the supervisor's own parent left open must not travel on either.
  const UniqueFd stray(::fcntl(STDERR_FILENO, F_DUPFD, 100));
  SupervisorRun run(
      {.listen = {"127.0.0.1:0", "admin=127.0.0.1:0"}, .command = {worker}, .pass = {stray.get()}});
  run.wait_ready();
  std::map<int, std::string> fds;
  int channel = -1;
  std::istringstream lines(read_text(files.file("fds")));
  for (std::string line; std::getline(lines, line);) {
    const auto arrow = line.find(" -> ");
    if (arrow == std::string::npos) continue;  // "total 0"
    const std::string target = line.substr(arrow + 4);
    const std::string name = line.substr(0, arrow).substr(line.rfind(' ', arrow - 1) + 1);
    if (name == "channel") {
      channel = std::stoi(target);
    } else if (!target.starts_with("/proc/")) {  // the folder that ls reads
      fds[std::stoi(name)] = target;
    }
  }
  ASSERT_GE(channel, 3);
  std::string all;
  for (const auto& [fd, target] : fds) all += std::to_string(fd) + " " + target + "\n";
  EXPECT_TRUE(fds.at(channel).starts_with("socket:")) << all;
  EXPECT_EQ(fds.size(), 4u) << all;
  EXPECT_TRUE(fds.contains(0) && fds.contains(1) && fds.contains(2)) << all;
  expect_clean_stop(run);
}

TEST(LeakTest, AServingWorkerHoldsOneDescriptorForEachThingItWasGiven) {
  SupervisorRun run;
  run.wait_ready();
  RawClient(run.address()).get("/");
  const auto first = open_fds(run.worker_pid(1));
  // Later generations are born by a supervisor that holds more: channels, logs, pipes.
  for (int i = 0; i < 3; ++i) ASSERT_EQ(run.reload().name(), "reload_done");
  run.wait_workers(1);
  RawClient(run.address()).get("/");
  const auto last = open_fds(run.worker_pid(4));
  const auto sockets = [](const std::map<int, std::string>& fds) {
    int count = 0;
    for (const auto& [fd, target] : fds) count += target.starts_with("socket:") ? 1 : 0;
    return count;
  };
  std::string all;
  for (const auto& [fd, target] : last) all += std::to_string(fd) + " " + target + "\n";
  // The channel and the listener; a connection that is just being closed may still be there.
  EXPECT_LE(sockets(last), 3) << all;
  EXPECT_LE(last.size(), first.size() + 1) << all;
  expect_clean_stop(run);
}

TEST(LeakTest, VariablesForTheSupervisorDoNotReachAWorker) {
  SupervisorRun run({.environment = {{"LISTEN_FDS", "0"},
                                     {"LISTEN_PID", "1"},
                                     {"LISTEN_FDNAMES", "x"},
                                     {"NOTIFY_SOCKET", "@holdfast-test-nobody"},
                                     {"WATCHDOG_USEC", "100000000"},
                                     {"WATCHDOG_PID", "1"},
                                     {"HOLDFAST_STOP_TIMEOUT", "60s"},
                                     {"HOLDFAST_CHANNEL_FD", "99"},
                                     {"SHOP_COLOUR", "green"}}});
  run.wait_ready();
  const auto variables = environment_of(run.worker_pid(1));
  for (const auto& [name, value] : variables) {
    EXPECT_FALSE(name.starts_with("LISTEN_") || name.starts_with("WATCHDOG_") ||
                 name == "NOTIFY_SOCKET")
        << name << "=" << value;
    if (name.starts_with("HOLDFAST_")) {
      EXPECT_EQ(name, "HOLDFAST_CHANNEL_FD");
      EXPECT_NE(value, "99");
    }
  }
  EXPECT_EQ(variables.at("SHOP_COLOUR"), "green");
  expect_clean_stop(run);
}

TEST(LeakTest, SignalsOfAWorkerAreThoseOfTheContractWhateverTheSupervisorInherited) {
  const TempDir files;
  const std::string worker =
      files.write("worker",
                  "#!/bin/sh\ncat /proc/self/status > '" + files.file("status.new") + "'\nmv '" +
                      files.file("status.new") + "' '" + files.file("status") + "'\nexec '" +
                      demo_path() + "'\n",
                  true);
  // nohup-like parents ignore signals, and what is ignored stays so over exec (execve(2)).
  SupervisorRun run(
      {.command = {worker},
       .wrapper = {"/bin/sh", "-c", "trap '' USR2 TTIN WINCH ALRM CHLD; exec \"$@\"", "sh"}});
  run.wait_ready();
  std::uint64_t ignored = 0;
  std::uint64_t blocked = ~std::uint64_t{0};
  std::istringstream lines(read_text(files.file("status")));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("SigIgn:")) ignored = std::stoull(line.substr(7), nullptr, 16);
    if (line.starts_with("SigBlk:")) blocked = std::stoull(line.substr(7), nullptr, 16);
  }
  EXPECT_EQ(blocked, 0u);
  for (int number = 1; number < 32; ++number) {
    // PIPE is for the library to ignore: a shell script of a worker expects its default.
    if (number == SIGKILL || number == SIGSTOP || number == SIGPIPE) continue;
    const bool wanted = number == SIGHUP || number == SIGINT || number == SIGQUIT;
    EXPECT_EQ(SignalSets::has(ignored, number), wanted) << "signal " << number;
  }
  expect_clean_stop(run);
}

TEST(LeakTest, AWorkerHasItsOwnProcessGroup) {
  SupervisorRun run({.workers = "2"});
  run.wait_ready();
  for (const WorkerInfo& worker : run.started_workers()) {
    EXPECT_EQ(process_group_of(worker.pid), worker.pid);
    EXPECT_EQ(parent_of(worker.pid), run.pid());
  }
  expect_clean_stop(run);
}

// ^C in a terminal goes to the whole foreground group; only the supervisor may act on it.
TEST(LeakTest, AWorkerThatGetsHupIntOrQuitServesOn) {
  SupervisorRun run;
  run.wait_ready();
  const pid_t worker = run.worker_pid(1);
  for (const int number : {SIGHUP, SIGINT, SIGQUIT, SIGPIPE}) ::kill(worker, number);
  EXPECT_EQ(RawClient(run.address()).get("/").pid(), worker);
  EXPECT_EQ(run.count("worker_exited"), 0u);
  expect_clean_stop(run);
}

TEST(LeakTest, AnIdleSupervisorSleeps) {
  SupervisorRun run({.workers = "2"});
  run.wait_ready();
  RawClient slow(run.address());
  const auto before = voluntary_switches(run.pid());
  const auto cpu_before = cpu_time(run.pid());
  slow.get("/?duration=3s");
  const auto woken = voluntary_switches(run.pid()) - before;
  const auto spent = cpu_time(run.pid()) - cpu_before;
  // Heartbeats and statistics of two workers over three seconds; a polling loop is far above.
  EXPECT_LE(woken, 60u);
  EXPECT_LE(spent, scaled(20ms)) << spent.count() << " ns";
  if (!programs_are_sanitized()) {
    EXPECT_LE(rss_kib(run.pid()), 10u * 1024);
  }
  std::printf("idle supervisor over 3 s: woken %lu times, %ld us of CPU, %lu KiB\n", woken,
              spent.count() / 1000, rss_kib(run.pid()));
  expect_clean_stop(run);
}

}  // namespace
}  // namespace holdfast::testing
