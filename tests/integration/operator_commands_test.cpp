// Each exit code of the commands from a real situation, and what they say.
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/integration/operator_fixture.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class OperatorCommandsTest : public ::testing::Test {
 protected:
  OperatorCommandsTest() {
    releases.add_good("good");
    releases.add("bad", "echo 'no such table: users' >&2\nexit 3");
    releases.add("slow", "exec tail -f /dev/null");  // never ready
    releases.flip("good");
  }

  SupervisorRun& start(std::vector<std::string> flags = {}, const std::string& workers = "1") {
    run = std::make_unique<SupervisorRun>(SupervisorOptions{
        .flags = std::move(flags), .command = {releases.command()}, .workers = workers});
    run->wait_ready();
    return *run;
  }

  TempDir files;
  Releases releases{files};
  std::unique_ptr<SupervisorRun> run;
};

TEST_F(OperatorCommandsTest, ReloadReturnsAtOnceAndGoesOn) {
  start();
  const std::size_t from = run->mark();
  const CommandResult result = ask(*run, {"reload"});
  EXPECT_EQ(result.status, exited(0)) << result.err;
  EXPECT_EQ(result.out, "reload accepted\n");
  EXPECT_EQ(run->wait("reload_done", from).number("generation"), 2);
  const Event request = run->wait("operator_request", from);
  EXPECT_EQ(request.text("op"), "reload");
  EXPECT_EQ(request.number("uid"), static_cast<std::int64_t>(::geteuid()));
  EXPECT_GT(request.number("pid"), 0);
}

TEST_F(OperatorCommandsTest, WaitingReloadEndsWithTheVerdictOfItsOwn) {
  start();
  const CommandResult committed = ask(*run, {"reload", "--wait", "--json"});
  EXPECT_EQ(committed.status, exited(0)) << committed.err;
  EXPECT_EQ(verdict_in(committed).value("verdict", ""), "committed") << committed.out;
  EXPECT_EQ(verdict_in(committed).value("generation", 0), 2);
  EXPECT_EQ(status_of(*run)["serving"], 2) << "the command ended before the reload";
  const CommandResult drained = ask(*run, {"reload", "--wait=drained", "--json"});
  EXPECT_EQ(drained.status, exited(0)) << drained.err;
  EXPECT_EQ(verdict_in(drained).value("verdict", ""), "drained") << drained.out;
  EXPECT_EQ(status_of(*run)["draining"].size(), 0u);
  EXPECT_EQ(status_of(*run)["workers"].size(), 1u);
}

TEST_F(OperatorCommandsTest, FailedReloadSaysWhyWithTheWorkersLastLines) {
  start();
  releases.flip("bad");
  const CommandResult result = ask(*run, {"reload", "--wait", "--json"});
  EXPECT_EQ(result.status, exited(10));
  EXPECT_NE(result.err.find("holdfast: cannot reload: "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("exit code 3; the old generation serves on"), std::string::npos)
      << result.err;
  EXPECT_NE(result.err.find("  | no such table: users"), std::string::npos) << result.err;
  EXPECT_EQ(verdict_in(result).value("exit_code", -1), 10) << result.out;
  const CommandResult why = ask(*run, {"status", "--last-failure"});
  EXPECT_EQ(why.status, exited(0));
  EXPECT_NE(why.out.find("no such table: users"), std::string::npos) << why.out;
  EXPECT_EQ(status_of(*run)["serving"], 1);
}

TEST_F(OperatorCommandsTest, ReloadOfAMissingCommandIsRefusedAndStartsNothing) {
  start();
  releases.flip("gone");
  const CommandResult result = ask(*run, {"reload", "--wait"});
  EXPECT_EQ(result.status, exited(6)) << result.err;
  EXPECT_EQ(run->started_workers().size(), 1u);
}

TEST_F(OperatorCommandsTest, TypingErrorInTheFileIsRefusedWithItsPlace) {
  const std::string config = files.write("holdfast.json", "{\"probation\": \"0s\"}");
  start({"--config", config});
  files.write("holdfast.json", "{\n  \"probatoin\": \"0s\"}");
  const CommandResult result = ask(*run, {"reload", "--wait"});
  EXPECT_EQ(result.status, exited(6)) << result.err;
  EXPECT_NE(result.err.find("holdfast.json:2:"), std::string::npos) << result.err;
  EXPECT_EQ(run->started_workers().size(), 1u);
}

TEST_F(OperatorCommandsTest, EveryCommandSaysThatNobodyRuns) {
  const std::string name = "nobody-" + std::to_string(::getpid());
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"reload"},
                                             {"reload", "--wait"},
                                             {"status"},
                                             {"events"},
                                             {"stop"},
                                             {"scale", "2"},
                                             {"reopen-logs"}}) {
    const CommandResult result = run_command(command_for(name, command));
    EXPECT_EQ(result.status, exited(3)) << command.front();
    EXPECT_NE(result.err.find("holdfast: cannot reach the supervisor '" + name), std::string::npos)
        << result.err;
  }
}

TEST_F(OperatorCommandsTest, PathOfTheSocketIsNamedOnceAndAFileIsNoSocket) {
  const std::string missing = files.file("no.sock");
  const CommandResult none = run_command({holdfast_path(), "status", "--control", missing});
  EXPECT_EQ(none.status, exited(3));
  EXPECT_EQ(none.err, "holdfast: cannot reach the supervisor " + missing + ": none is running\n");
  const std::string file = files.write("file", "text");
  for (const char* command : {"status", "reload", "events", "stop"}) {
    const CommandResult result = run_command({holdfast_path(), command, "--control", file});
    EXPECT_EQ(result.status, exited(1));
    EXPECT_EQ(result.err, "holdfast: cannot reach the supervisor " + file + ": it is no socket\n");
  }
}

TEST_F(OperatorCommandsTest, SocketOfAnotherUserInOurPlaceIsNotTrusted) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else here";
  // As in a shared /tmp, where somebody made the directory first.
  const std::string uid = "65534";
  const std::string folder = files.file("holdfast-" + uid);
  ASSERT_EQ(::chmod(files.path().c_str(), 0711), 0);
  ASSERT_EQ(::mkdir(folder.c_str(), 0777), 0);
  ASSERT_EQ(::chmod(folder.c_str(), 0777), 0);
  const auto as = [&](const std::string& who, std::vector<std::string> argv) {
    argv.insert(argv.begin(), {"setpriv", "--reuid=" + who, "--regid=" + who, "--clear-groups",
                               "env", "TMPDIR=" + files.path().string(), "XDG_RUNTIME_DIR="});
    return argv;
  };
  if (run_command(as(uid, {"test", "-x", holdfast_path()})).status != exited(0))
    GTEST_SKIP() << "the program is not for everybody";
  const std::string path = folder + "/default.sock";
  ChildProcess spoof(
      {.argv = as("65533", {"python3", "-c",
                            "import socket,os,signal;os.umask(0);s=socket.socket(socket.AF_UNIX);"
                            "s.bind('" +
                                path + "');s.listen();signal.pause()"})});
  CommandResult result;
  EXPECT_TRUE(eventually([&] {
    result = run_command(as(uid, {holdfast_path(), "status", "--timeout", "1s"}));
    return result.status == exited(4);
  }));
  EXPECT_NE(result.err.find("uid 65533 listens on"), std::string::npos) << result.err;
}

TEST_F(OperatorCommandsTest, SupervisorThatWasKilledDoesNotRun) {
  start();
  run->signal(SIGKILL);
  run->wait_exit();
  EXPECT_EQ(ask(*run, {"status"}).status, exited(3)) << "its socket file is still there";
}

TEST_F(OperatorCommandsTest, SupersededReloadLearnsThatANewerOneTookItsPlace) {
  start({"--ready-timeout", "60s"});
  releases.flip("slow");
  ask(*run, {"reload"});
  run->wait("reload_started");
  ChildProcess first({.argv = command_for(run->name(), {"reload", "--wait"})});
  run->wait("reload_queued");
  const std::size_t from = run->mark();
  ChildProcess second({.argv = command_for(run->name(), {"reload", "--wait"})});
  EXPECT_EQ(first.wait_exit(), exited(12));
  // The newer one waits on, and learns of the stop.
  run->wait_for(
      "its request",
      [](const Event& event) {
        return event.name() == "operator_request" && event.text("op") == "reload";
      },
      from);
  run->signal(SIGTERM);
  EXPECT_EQ(second.wait_exit(), exited(10));
}

TEST_F(OperatorCommandsTest, WaitEndsAtItsTimeoutAndTheReloadGoesOn) {
  start();
  releases.flip("slow");
  const CommandResult result = ask(*run, {"reload", "--wait", "--timeout", "200ms", "--json"});
  EXPECT_EQ(result.status, exited(13)) << result.err;
  EXPECT_EQ(verdict_in(result).value("verdict", ""), "timed_out") << result.out;
  run->wait("reload_started");  // what the command said is there, however late it is read
  const auto status = status_of(*run);
  EXPECT_EQ(status.at("candidate").at("phase"), "starting") << status;
  EXPECT_EQ(status["state"], "reloading");
}

TEST_F(OperatorCommandsTest, SupervisorThatDoesNotAnswerIsATimeout) {
  start();
  run->signal(SIGSTOP);
  EXPECT_EQ(ask(*run, {"status", "--timeout", "200ms"}).status, exited(13));
  EXPECT_EQ(ask(*run, {"reload", "--timeout", "200ms"}).status, exited(13));
  run->signal(SIGCONT);
  EXPECT_EQ(ask(*run, {"status"}).status, exited(0));
}

TEST_F(OperatorCommandsTest, InterruptEndsTheWaitAndNotTheReload) {
  start();
  releases.flip("slow");
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd out(ends[0]);
  UniqueFd in(ends[1]);
  ChildProcess waiting({.argv = command_for(run->name(), {"reload", "--wait"}), .err = in.get()});
  in.reset();
  run->wait("reload_started");
  waiting.signal(SIGINT);
  EXPECT_EQ(waiting.wait_exit(), killed_by(SIGINT));
  char text[256] = {};
  EXPECT_GT(::read(out.get(), text, sizeof text - 1), 0);
  EXPECT_STREQ(text, "holdfast: no longer waiting; the reload goes on\n");
  EXPECT_TRUE(status_of(*run).contains("candidate"));
}

TEST_F(OperatorCommandsTest, ServiceInACrashLoopIsDegraded) {
  releases.add("fragile", "if [ -e " + files.file("broken") + " ]; then exit 1; fi\n" +
                              "exec \"$DEMO\" \"$@\"");
  releases.flip("fragile");
  start({"--give-up", "1000"}, "2");
  std::ofstream(files.file("broken")) << "x";
  ::kill(run->worker_pid(1), SIGKILL);
  run->wait("respawn_delayed");
  const CommandResult result = ask(*run, {"status"});
  EXPECT_EQ(result.status, exited(11)) << result.out;
  EXPECT_NE(result.out.find("DEGRADED: 1 of 2 workers accept"), std::string::npos) << result.out;
  EXPECT_EQ(ask(*run, {"status", "--json"}).status, exited(11));
}

TEST_F(OperatorCommandsTest, ScaleHoldsAndNeverGoesBelowOne) {
  start();
  EXPECT_EQ(ask(*run, {"scale", "3"}).out, "3 workers wanted\n");
  EXPECT_EQ(ask(*run, {"scale", "-1"}).out, "2 workers wanted\n");
  EXPECT_EQ(ask(*run, {"scale", "-5"}).out, "1 worker wanted\n");
  EXPECT_EQ(ask(*run, {"scale", "+1"}).out, "2 workers wanted\n");
  EXPECT_EQ(ask(*run, {"reload", "--wait=drained"}).status, exited(0));
  EXPECT_EQ(status_of(*run)["workers"].size(), 2u) << "a reload forgot it";
}

TEST_F(OperatorCommandsTest, StopWaitsUntilTheSupervisorIsGone) {
  start();
  const CommandResult result = ask(*run, {"stop", "--wait"});
  EXPECT_EQ(result.status, exited(0)) << result.err;
  EXPECT_EQ(result.out, "stopped\n");
  EXPECT_EQ(process_state(run->pid()).value_or('Z'), 'Z');
  EXPECT_EQ(run->wait_exit(), exited(0));
}

TEST_F(OperatorCommandsTest, SecondStopIsNoStopAtOnce) {
  start({"--lame-duck", "30s"});
  EXPECT_EQ(ask(*run, {"stop"}).status, exited(0));
  EXPECT_EQ(ask(*run, {"stop", "--wait", "--timeout", "100ms"}).status, exited(13));
  EXPECT_EQ(status_of(*run)["state"], "lame_duck");
  EXPECT_EQ(run->count("stopping_at_once"), 0u);
  EXPECT_EQ(ask(*run, {"scale", "2"}).status, exited(1)) << "the supervisor stops";
  EXPECT_EQ(ask(*run, {"reload", "--wait"}).status, exited(10));
  EXPECT_EQ(ask(*run, {"reload"}).status, exited(10));
  EXPECT_EQ(ask(*run, {"stop", "--now", "--wait"}).status, exited(0));
  EXPECT_EQ(run->wait_exit(), exited(0));
  EXPECT_EQ(run->count("stopping_at_once"), 1u);
}

TEST_F(OperatorCommandsTest, ReopenLogsOpensTheFileAnew) {
  start();
  const std::string log = run->access_log_path();
  ASSERT_EQ(::rename(log.c_str(), (log + ".1").c_str()), 0);
  EXPECT_EQ(ask(*run, {"reopen-logs"}).out, "logs reopened\n");
  EXPECT_EQ(::access(log.c_str(), F_OK), 0);
}

TEST_F(OperatorCommandsTest, EventsTellThePastAndFollowTheFuture) {
  start();
  const CommandResult past = ask(*run, {"events"});
  EXPECT_EQ(past.status, exited(0)) << past.err;
  EXPECT_NE(past.out.find(" serving generation=1"), std::string::npos) << past.out;
  const CommandResult json = ask(*run, {"events", "--json"});
  EXPECT_NE(json.out.find("\"event\":\"started\""), std::string::npos) << json.out;

  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  EventReader followed{UniqueFd(ends[0])};
  UniqueFd in(ends[1]);
  ChildProcess follower(
      {.argv = command_for(run->name(), {"events", "--follow", "--json"}), .out = in.get()});
  in.reset();
  const auto named = [](const char* name) {
    return [name](const Event& event) { return event.name() == name; };
  };
  ASSERT_TRUE(followed.wait(named("serving")));
  ask(*run, {"reload", "--wait"});
  EXPECT_TRUE(followed.wait(named("reload_done")));
  run->stop();
  EXPECT_TRUE(followed.wait(named("stopped")));
  EXPECT_EQ(follower.wait_exit(), exited(0));
}

TEST_F(OperatorCommandsTest, EnvironmentNamesTheSupervisorAndWorkersDoNotGetIt) {
  start();
  const std::map<std::string, std::string> environment{{"HOLDFAST_NAME", run->name()}};
  ChildProcess status({.argv = {holdfast_path(), "status"}, .environment = environment});
  EXPECT_EQ(status.wait_exit(), exited(0));

  const std::string path = files.file("other.sock");
  SupervisorRun other(SupervisorOptions{.environment = {{"HOLDFAST_CONTROL", path}}});
  other.wait_ready();
  ChildProcess found(
      {.argv = {holdfast_path(), "reload", "--wait"}, .environment = {{"HOLDFAST_CONTROL", path}}});
  EXPECT_EQ(found.wait_exit(), exited(0));
  other.wait("reload_done");
  EXPECT_FALSE(environment_of(other.worker_pid(2)).contains("HOLDFAST_CONTROL"));
}

TEST_F(OperatorCommandsTest, ControlSocketThatWasAskedForMustBeMade) {
  SupervisorRun failing(SupervisorOptions{.flags = {"--control", "/nonexistent/x.sock"}});
  EXPECT_EQ(failing.wait_exit(), exited(1));
  SupervisorRun lengthy(SupervisorOptions{.flags = {"--control", "/tmp/" + std::string(120, 'x')}});
  EXPECT_EQ(lengthy.wait_exit(), exited(1));
  EXPECT_NE(lengthy.events().dump().find("at most 107 bytes"), std::string::npos);
}

TEST_F(OperatorCommandsTest, ControlSocketIsThereFromStartedToStoppedAndPrivate) {
  const std::string path = files.file("c.sock");
  start({"--control", path});
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  run->stop();
  EXPECT_NE(::stat(path.c_str(), &info), 0);
}

TEST_F(OperatorCommandsTest, WhatCannotBePrintedIsNotTakenForDone) {
  start();
  const auto into_full = [&](const std::string& command) {
    return run_command(
        {"/bin/sh", "-c",
         holdfast_path() + " " + command + " --name " + run->name() + " > /dev/full"});
  };
  for (const char* command : {"status", "metrics", "events", "status --json"}) {
    const CommandResult result = into_full(command);
    EXPECT_EQ(result.status, exited(1)) << command;
    EXPECT_NE(result.err.find("cannot write to standard output: No space"), std::string::npos);
  }
  // Its verdict stands: a deploy script must not turn back what serves.
  const CommandResult reloaded = into_full("reload --wait --json");
  EXPECT_EQ(reloaded.status, exited(0));
  EXPECT_NE(reloaded.err.find("cannot write"), std::string::npos);
}

TEST_F(OperatorCommandsTest, FollowingEventsEndsWithItsReader) {
  start();
  // Its reader leaves at the last event that there is, so that nothing more is to be written.
  const CommandResult piped = run_command(
      {"/bin/sh", "-c",
       "(timeout 20 " + holdfast_path() + " events --follow --json --name " + run->name() +
           "; echo \"ended with $?\" >&2) | grep -m 1 '\"event\":\"serving\"'"});
  EXPECT_NE(piped.out, "");
  EXPECT_EQ(piped.err, "ended with 0\n") << "124: nobody told it that its reader was gone";
}

}  // namespace
}  // namespace holdfast::testing
