// What foreign workers are given, what counts as ready, and what becomes of those that fail.
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <set>
#include <sys/file.h>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "shared/io/unique_fd.hpp"
#include "tests/integration/fifo_gate.hpp"
#include "tests/integration/reserved_port.hpp"
#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

// foreign_service.py with these words; a file of the run's own says which, so that a reload can
// bring others.
class ForeignWorkerTest : public ::testing::Test {
 protected:
  ForeignWorkerTest() { deploy(""); }

  void deploy(const std::string& words) {
    files.write("service", "#!/bin/sh\nexec /usr/bin/python3 " FOREIGN_SERVICE " " + words + "\n",
                true);
  }

  SupervisorOptions options(std::vector<std::string> flags = {},
                            const std::string& probation = "0s") {
    SupervisorOptions made;
    made.flags = {"--protocol", "systemd", "--probation", probation};
    made.flags.insert(made.flags.end(), flags.begin(), flags.end());
    made.command = {files.file("service")};
    return made;
  }

  static std::string body(SupervisorRun& run) { return RawClient(run.address()).get("/").body; }

  // The lines that the first worker printed, up to the one that begins with `last`.
  static std::vector<std::string> printed(SupervisorRun& run, const std::string& last) {
    run.wait_for("line " + last, [&](const Event& e) {
      return e.name() == "worker_output" && e.text("line").starts_with(last);
    });
    std::vector<std::string> lines;
    for (const Event& e : run.all("worker_output")) lines.push_back(e.text("line"));
    return lines;
  }

  void expect_failed_reload(SupervisorRun& run, const std::string& reason) {
    const pid_t old = run.worker_pid(1);
    const Event verdict = run.reload();
    ASSERT_EQ(verdict.name(), "reload_failed") << run.events().dump();
    EXPECT_NE(verdict.text("reason").find(reason), std::string::npos) << verdict.fields;
    EXPECT_EQ(body(run), "Hello, world!");
    EXPECT_TRUE(is_alive(old));
    run.wait_workers(1);
  }

  TempDir files;
};

TEST_F(ForeignWorkerTest, ListenersAreFromThreeOnAndNothingElseIsThere) {
  deploy("print_env");
  SupervisorOptions two = options();
  two.listen = {"127.0.0.1:0", "admin=127.0.0.1:0"};
  two.environment = {{"LISTEN_FDNAMES", "stale"}, {"LISTEN_FDS", "7"}, {"NOTIFY_SOCKET", "/x"}};
  SupervisorRun run(two);
  run.wait_ready();
  const auto lines = printed(run, "pid ");
  const std::string pid = std::to_string(run.worker_pid(1));
  const auto has = [&](const std::string& line) { return std::ranges::count(lines, line) == 1; };
  EXPECT_TRUE(has("LISTEN_PID=" + pid)) << run.events().dump();
  EXPECT_TRUE(has("LISTEN_FDS=2"));
  EXPECT_TRUE(has("LISTEN_FDNAMES=http:admin"));
  EXPECT_TRUE(has("WATCHDOG_PID=" + pid));
  // 5 is the folder that listdir(3) reads.
  EXPECT_TRUE(has("pid " + pid + " fds 0 1 2 3 4 5")) << run.events().dump();
  for (const std::string& line : lines) {
    EXPECT_FALSE(line.starts_with("HOLDFAST_")) << line;
    EXPECT_FALSE(line.starts_with("NOTIFY_SOCKET=/")) << line;
  }
  expect_clean_stop(run);
}

TEST_F(ForeignWorkerTest, PlaceholdersNameDescriptorsInArgumentsAndEnvironment) {
  deploy("print_env fd=$1 body=$2-$PORT_FD");
  SupervisorOptions two = options();
  two.listen = {"admin=127.0.0.1:0", "127.0.0.1:0"};
  two.environment = {{"PORT_FD", "{fd:admin}"}};
  two.command.insert(two.command.end(), {"{fd:http}", "w{worker}g{generation}"});
  SupervisorRun run(two);
  run.wait_ready();
  EXPECT_EQ(RawClient(run.address(1)).get("/").body, "w1g1-3");
  expect_clean_stop(run);
}

TEST_F(ForeignWorkerTest, APlaceholderThatNamesNoListenerIsAFailedStart) {
  SupervisorOptions typo = options({"--give-up", "2"});
  typo.command.emplace_back("{fd:htp}");
  SupervisorRun run(typo);
  EXPECT_EQ(run.wait("worker_not_started").text("reason"),
            "cannot replace {fd:htp}: no listener has that name");
  EXPECT_EQ(run.wait_exit(), exited(8));
}

TEST_F(ForeignWorkerTest, WhatNeverSaysReadyTakesNoServiceAway) {
  SupervisorRun run(options({"--ready-timeout", "1s"}));
  run.wait_ready();
  deploy("mute");
  expect_failed_reload(run, "0 of 1 workers ready within 1s");
  expect_clean_stop(run, 0);
}

TEST_F(ForeignWorkerTest, WhatExitsBeforeItIsReadyFailsTheReloadWithItsCode) {
  SupervisorRun run(options());
  run.wait_ready();
  deploy("die=3");
  expect_failed_reload(run, "exited");
  expect_clean_stop(run);
}

TEST_F(ForeignWorkerTest, AHelperOfTheWorkerMaySpeakForItAndABarrierReturns) {
  deploy("by_child");
  SupervisorRun run(options());
  run.wait_ready();
  deploy("by_barrier");
  EXPECT_EQ(run.reload().name(), "reload_done");
  printed(run, "barrier passed");
  expect_clean_stop(run);
}

TEST_F(ForeignWorkerTest, AStrangerCannotSayThatItIsReady) {
  deploy("mute print_env");
  SupervisorRun run(options());
  std::string address;
  for (const std::string& line : printed(run, "pid ")) {
    if (line.starts_with("NOTIFY_SOCKET=")) address = line.substr(14);
  }
  ASSERT_TRUE(address.starts_with("@")) << run.events().dump();
  const CommandResult sent = run_command(
      {"/usr/bin/python3", "-c",
       "import socket; s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(chr(0) + '" +
           address.substr(1) + "'); s.send(b'READY=1')"});
  ASSERT_EQ(sent.status, exited(0)) << address << "\n" << sent.err;
  run.wait("notification_refused");
  EXPECT_EQ(run.count("worker_ready"), 0u);
  run.signal(SIGTERM);
  EXPECT_EQ(run.wait_exit(), exited(0));
}

TEST_F(ForeignWorkerTest, StatusIsAnEventAndWhatCannotBeDoneIsAWarning) {
  deploy("says=warm store");
  SupervisorRun run(options());
  run.wait_ready();
  EXPECT_EQ(run.wait("worker_status").text("status"), "warm");
  EXPECT_EQ(run.wait("notification_ignored").text("names"), "MAINPID FDSTORE");
  expect_clean_stop(run);
}

TEST_F(ForeignWorkerTest, AWorkerThatLeavesByItselfIsReplacedAtOnce) {
  const FifoGate gate;
  deploy("goes=" + gate.path());
  SupervisorRun run(options());
  run.wait_ready();
  gate.open();
  run.wait("worker_leaving");
  const Event ended = run.wait("worker_exited");
  EXPECT_EQ(ended.number("exit_code"), 0);
  EXPECT_EQ(ended.text("severity"), "info") << ended.fields;
  run.wait_for("second worker", [](const Event& e) {
    return e.name() == "worker_accepting" && e.number("worker") == 2;
  });
  expect_clean_stop(run);
}

TEST_F(ForeignWorkerTest, AWorkerThatTermCannotEndIsKilledAtItsDeadline) {
  deploy("deaf");
  SupervisorRun run(options({"--stop-timeout", "200ms", "--kill-timeout", "200ms"}));
  run.wait_ready();
  run.signal(SIGTERM);
  EXPECT_EQ(run.wait_exit(), exited(0));
  EXPECT_EQ(run.wait("stopped").number("killed"), 1);
}

TEST_F(ForeignWorkerTest, AWatchdogThatFallsSilentIsAbortedAndOneThatIsFedLives) {
  deploy("watchdog=1");
  SupervisorRun run(options({"--heartbeat-timeout", "600ms"}));
  run.wait_ready();
  EXPECT_EQ(run.wait("heartbeat_missed").number("worker"), 1);
  EXPECT_EQ(run.wait("worker_exited").number("signal"), SIGABRT);
  deploy("feed");
  ASSERT_EQ(run.reload().name(), "reload_done");
  const std::size_t from = run.mark();
  EXPECT_FALSE(run.events()
                   .wait(
                       [](const Event& e) {
                         return e.name() == "heartbeat_missed" && e.number("generation") == 2;
                       },
                       from, 2s)
                   .has_value());
  expect_clean_stop(run);
}

TEST_F(ForeignWorkerTest, OneThatSaysThatItHangsFailsItsReload) {
  SupervisorRun run(options({}, "1s"));
  run.wait_ready();
  deploy("watchdog=trigger");
  expect_failed_reload(run, "WATCHDOG=trigger");
  expect_clean_stop(run);
}

TEST_F(ForeignWorkerTest, ReadyMayMeanThatAnAddressOfItsOwnAnswers) {
  const ReservedPort port;
  deploy("mute port=" + port.text());
  SupervisorRun run(options({"--readiness", "tcp=" + port.address()}));
  run.wait_ready();
  EXPECT_EQ(body(run), "Hello, world!");
  expect_clean_stop(run);
}

TEST_F(ForeignWorkerTest, AProbeThatFailsLeavesTheOldGenerationServing) {
  const ReservedPort first;
  const ReservedPort second;
  deploy("port=" + first.text());
  SupervisorRun run(options({"--probe", "http://" + first.address() + "/health"}));
  run.wait_ready();
  run.signal(SIGUSR1);
  EXPECT_EQ(run.count("reload_failed"), 0u);
  expect_clean_stop(run);

  deploy("port=" + second.text() + " status=500");
  SupervisorRun bad(options({"--probe", "http://" + second.address() + "/health", "--give-up", "1",
                             "--ready-timeout", "5s"}));
  const Event killed = bad.wait("worker_killed");
  EXPECT_NE(killed.text("reason").find("its probe failed: status 500"), std::string::npos)
      << killed.fields;
  bad.signal(SIGTERM);
  bad.wait_exit();
}

std::string reserve_ports_of_workers(int workers, std::vector<ReservedPort>& ports) {
  // Below those that the kernel gives to clients.
  for (int tens = 2'000 + ::getpid() % 500; tens < 3'200; ++tens) {
    ports.clear();
    try {
      for (int worker = 1; worker <= workers; ++worker)
        ports.emplace_back(static_cast<std::uint16_t>(tens * 10 + worker));
      return std::to_string(tens);
    } catch (const std::system_error&) {  // somebody has one of them
    }
  }
  throw std::runtime_error("no ports are free");
}

TEST_F(ForeignWorkerTest, ABadVersionIsFoundByItsProbeInAReload) {
  // Each worker has a port of its own: these digits, and its number.
  std::vector<ReservedPort> ports;
  const std::string stem = reserve_ports_of_workers(2, ports);
  deploy("port=" + stem + "$1");
  SupervisorOptions probed = options({"--probe", "http://127.0.0.1:" + stem + "{worker}/"});
  probed.command.emplace_back("{worker}");
  SupervisorRun run(probed);
  run.wait_ready();
  deploy("status=503 port=" + stem + "$1");
  expect_failed_reload(run, "its probe failed: status 503");
  expect_clean_stop(run);
}

TEST_F(ForeignWorkerTest, EinhornsAckMayComeOverTheDescriptorAndItsSignalIsUsr2) {
  deploy("einhorn print_env");
  SupervisorOptions options;
  options.flags = {"--protocol", "einhorn", "--probation", "0s"};
  options.command = {files.file("service")};
  options.workers = "2";
  SupervisorRun run(options);
  run.wait_ready();
  std::set<std::string> indices;
  for (const Event& e : run.all("worker_output")) {
    const std::string line = e.text("line");
    if (line.starts_with("EINHORN_CHILD_INDEX=")) indices.insert(line.substr(20));
    if (line.starts_with("EINHORN_MASTER_PID=")) {
      EXPECT_EQ(line.substr(19), std::to_string(run.pid()));
    }
  }
  EXPECT_EQ(indices, (std::set<std::string>{"0", "1"}));
  expect_clean_stop(run);
}

TEST_F(ForeignWorkerTest, EinhornFoldersOfKilledSupervisorsAreRemovedAndThoseOfLiveOnesStay) {
  deploy("einhorn");
  const auto leave = [&](const std::string& name) {
    const fs::path folder = fs::path(files.path()) / name;
    fs::create_directory(folder);
    std::ofstream(folder / "ack.sock") << "";
    fs::last_write_time(folder, fs::file_time_type::clock::now() - 1h);
    return folder;
  };
  const fs::path dead = leave("holdfast-einhorn-dead");
  const fs::path live = leave("holdfast-einhorn-live");
  const fs::path stranger = leave("other-einhorn-dead");
  const UniqueFd lock(::open(live.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(lock.get(), LOCK_EX), 0);
  SupervisorOptions options;
  options.flags = {"--protocol", "einhorn", "--probation", "0s"};
  options.command = {files.file("service")};
  options.environment.emplace("TMPDIR", files.path().string());
  SupervisorRun run(options);
  run.wait_ready();
  EXPECT_FALSE(fs::exists(dead));
  EXPECT_TRUE(fs::exists(live / "ack.sock"));
  EXPECT_TRUE(fs::exists(stranger));
  expect_clean_stop(run);
}

// cpp-httplib's stop() does the same.
TEST_F(ForeignWorkerTest, AListenerThatAWorkerShutsDownListensAgain) {
  deploy("shutdown");
  SupervisorRun run(options());
  run.wait_ready();
  const std::string address = run.address();
  ASSERT_EQ(run.reload().name(), "reload_done");
  const Event repaired = run.wait("listener_repaired");
  EXPECT_EQ(repaired.text("address"), address);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(body(run), "Hello, world!");
  expect_clean_stop(run);
  EXPECT_EQ(run.count("listener_lost"), 0u);
}

// Each of them shuts it; the last ones shut what does not listen any more.
TEST_F(ForeignWorkerTest, AListenerThatFourWorkersShutDownServesOn) {
  deploy("shutdown");
  SupervisorOptions four = options();
  four.workers = "4";
  SupervisorRun run(four);
  run.wait_ready();
  for (int i = 0; i < 3; ++i) ASSERT_EQ(run.reload().name(), "reload_done");
  run.wait_workers(4);
  for (int i = 0; i < 40; ++i) EXPECT_EQ(body(run), "Hello, world!");
  expect_clean_stop(run);
}

TEST_F(ForeignWorkerTest, OneThatIsShutInTheMiddleOfServiceIsFoundWithinASecond) {
  const FifoGate gate;
  deploy("shut_at=" + gate.path());
  SupervisorRun run(options());
  run.wait_ready();
  gate.open();
  run.wait("listener_repaired", 0, scaled(3s));
  EXPECT_FALSE(is_refused(run.address()));
  run.signal(SIGTERM);
  run.wait_exit();
}

TEST_F(ForeignWorkerTest, AUnixSocketThatWasShutIsBoundAnewByTheNextReload) {
  deploy("shutdown");
  SupervisorOptions local = options();
  local.listen = {"unix:" + files.file("s")};
  SupervisorRun run(local);
  run.wait_ready();
  deploy("");
  ASSERT_EQ(run.reload().name(), "reload_done");
  run.wait("listener_lost");
  EXPECT_TRUE(is_refused(run.address()));
  run.wait_workers(1);
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(body(run), "Hello, world!");
  expect_clean_stop(run);
  EXPECT_FALSE(std::filesystem::exists(files.file("s")));
}

}  // namespace
}  // namespace holdfast::testing
