// The control socket against hostile and careless clients, as the owner and as a stranger: refused
// with a message, and nothing else happens.
#include <csignal>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/integration/operator_fixture.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class OperatorSocketTest : public ::testing::Test {
 protected:
  OperatorSocketTest() { start({}); }

  void start(std::vector<std::string> flags) {
    flags.insert(flags.end(), {"--control", path});
    run.reset();
    run = std::make_unique<SupervisorRun>(SupervisorOptions{.flags = std::move(flags)});
    run->wait_ready();
  }

  // No reload, no stop, no other size; and whoever asks is answered.
  void expect_untouched() {
    BareOperator asking(path);
    asking.say("{\"holdfast\":1,\"op\":\"status\"}\n");
    const auto reply = asking.hear_json();
    ASSERT_TRUE(reply.is_object());
    EXPECT_EQ(reply.at("status").at("state"), "serving");
    EXPECT_EQ(reply.at("status").at("wanted_workers"), 1);
    EXPECT_EQ(run->count("operator_request"), 0u);
    EXPECT_EQ(run->count("reload_started"), 0u);
  }

  static bool may_become_nobody() {
    return ::geteuid() == 0 &&
           run_command(as_nobody({"test", "-x", holdfast_path()})).status == exited(0);
  }

  static std::vector<std::string> as_nobody(std::vector<std::string> argv,
                                            const std::string& gid = "65534") {
    std::vector<std::string> all{"setpriv", "--reuid=65534", "--regid=" + gid, "--clear-groups"};
    all.insert(all.end(), argv.begin(), argv.end());
    return all;
  }

  TempDir files;
  std::string path = files.file("control.sock");
  std::unique_ptr<SupervisorRun> run;
};

TEST_F(OperatorSocketTest, RequestsThatCannotBeUnderstoodChangeNothing) {
  const std::vector<std::string> bad{
      "",
      "stop",
      "{}",
      "[\"stop\"]",
      "{\"op\":\"stop\"}",
      "{\"holdfast\":2,\"op\":\"stop\"}",
      "{\"holdfast\":1,\"op\":\"STOP\"}",
      "{\"holdfast\":1,\"op\":\"stop\",\"now\":\"yes\"}",
      "{\"holdfast\":1,\"op\":\"stop\",\"gently\":true}",
      "{\"holdfast\":1,\"op\":\"scale\",\"to\":1000000}",
      "{\"holdfast\":1,\"op\":\"scale\",\"by\":1,\"to\":5}",
      "{\"holdfast\":1,\"op\":\"reload\",\"wait\":5}",
      std::string("\x00\xff\xfe{", 4),
      std::string(4'000, '['),
  };
  for (const std::string& line : bad) {
    BareOperator client(path);
    ASSERT_TRUE(client.connected());
    client.say(line + "\n");
    const auto reply = client.hear_json();
    ASSERT_TRUE(reply.is_object()) << line;
    EXPECT_EQ(reply.value("reply", ""), "error") << line;
    EXPECT_EQ(reply.value("code", 0), 2) << line;
    EXPECT_EQ(reply.value("error", "").rfind("cannot ", 0), 0u) << reply;
  }
  expect_untouched();
}

TEST_F(OperatorSocketTest, TruncatedRequestIsNotGuessedAt) {
  for (const std::string_view part :
       {"{\"holdfast\":1,\"op\":\"stop\"}", "{\"holdfast\":1,\"op\":"}) {
    BareOperator client(path);
    client.say(part);  // no newline
    client.say_no_more();
    EXPECT_EQ(client.hear(), "");
  }
  expect_untouched();
}

TEST_F(OperatorSocketTest, OversizedRequestIsRefusedAndItsRestIsNotRead) {
  BareOperator client(path);
  client.say(std::string(9'000, ' ') + "\n{\"holdfast\":1,\"op\":\"stop\"}\n");
  EXPECT_NE(client.hear().find("longer than 8 KiB"), std::string::npos);
  EXPECT_EQ(client.hear(), "");
  expect_untouched();
}

TEST_F(OperatorSocketTest, SlowClientsHoldNobodyUp) {
  std::vector<std::unique_ptr<BareOperator>> slow;
  for (int i = 0; i < 40; ++i) {
    slow.push_back(std::make_unique<BareOperator>(path));
    slow.back()->say("{\"holdfast\":1,");
  }
  const auto before = Clock::now();
  EXPECT_EQ(run_command({holdfast_path(), "reload", "--wait", "--control", path}).status,
            exited(0));
  EXPECT_LT(Clock::now() - before, scaled(5'000ms)) << "it waited for those that say nothing";
}

TEST_F(OperatorSocketTest, ConnectionsBeyondTheLimitAreRefusedWithAMessage) {
  std::vector<std::unique_ptr<BareOperator>> many;
  for (int i = 0; i < 64; ++i) many.push_back(std::make_unique<BareOperator>(path));
  BareOperator late(path);
  EXPECT_NE(late.hear().find("too many connections"), std::string::npos);
  many.pop_back();
  EXPECT_TRUE(eventually([&] {
    BareOperator again(path);
    again.say("{\"holdfast\":1,\"op\":\"status\"}\n");
    return again.hear().find("\"reply\":\"status\"") != std::string::npos;
  }));
}

TEST_F(OperatorSocketTest, StalledFollowerIsDroppedWhileReloadsGoOn) {
  // A worker that prints fills what waits for the follower far sooner than reloads do.
  TempDir own;
  const std::string chatty = own.write("worker",
                                       "#!/bin/sh\n"
                                       "(i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo " +
                                           std::string(1'000, 'x') +
                                           " >&2; done) &\n"
                                           "exec " +
                                           demo_path() + "\n",
                                       true);
  SupervisorRun noisy(
      SupervisorOptions{.flags = {"--control", own.file("c.sock")}, .command = {chatty}});
  noisy.wait_ready();
  BareOperator stalled(own.file("c.sock"));  // it never reads
  stalled.say("{\"holdfast\":1,\"op\":\"events\",\"follow\":true,\"output\":true}\n");
  for (int i = 0; i < 3; ++i) {
    const CommandResult result =
        run_command({holdfast_path(), "reload", "--wait", "--control", own.file("c.sock")});
    EXPECT_EQ(result.status, exited(0)) << result.err;
  }
  const Event dropped = noisy.wait("operator_dropped");
  EXPECT_EQ(dropped.number("pid"), ::getpid());
  if (!programs_are_sanitized()) {  // a sanitizer's quarantine grows with every free
    EXPECT_LT(rss_kib(noisy.pid()), 32u * 1024);
  }
}

TEST_F(OperatorSocketTest, AReloadMakesAFileAnewThatSomebodyRemoved) {
  std::filesystem::remove(path);
  EXPECT_EQ(run_command({holdfast_path(), "status", "--control", path}).status, exited(3));
  EXPECT_EQ(run->reload().name(), "reload_done");
  EXPECT_EQ(run->count("control_socket_restored"), 1u);
  EXPECT_EQ(run_command({holdfast_path(), "status", "--control", path}).status, exited(0));
  EXPECT_EQ(run->reload().name(), "reload_done");
  EXPECT_EQ(run->count("control_socket_restored"), 1u);
}

TEST_F(OperatorSocketTest, ClientThatVanishesLeavesNothingBehind) {
  const auto before = open_fds(run->pid()).size();
  for (int i = 0; i < 200; ++i) {
    BareOperator client(path);
    client.say("{\"holdfast\":1,\"op\":\"status\"}\n{\"holdfast\":1,\"op\":\"events\"}\n");
  }
  expect_untouched();
  EXPECT_TRUE(eventually([&] { return open_fds(run->pid()).size() == before; }));
}

TEST_F(OperatorSocketTest, WorkersDoNotHoldIt) {
  for (const auto& [fd, target] : open_fds(run->worker_pid(1))) {
    EXPECT_EQ(target.find("control.sock"), std::string::npos) << fd;
  }
  // A worker that held it would keep it alive.
  run->signal(SIGKILL);
  run->wait_exit();
  EXPECT_FALSE(BareOperator(path).connected());
}

TEST_F(OperatorSocketTest, StrangerIsKeptOutByTheModeOfTheFile) {
  if (!may_become_nobody()) GTEST_SKIP() << "only root can become somebody else here";
  ASSERT_EQ(::chmod(files.path().c_str(), 0711), 0);
  for (const char* command : {"status", "reload", "stop"}) {
    const CommandResult result =
        run_command(as_nobody({holdfast_path(), command, "--control", path}));
    EXPECT_EQ(result.status, exited(4)) << command << result.err;
  }
  expect_untouched();
}

TEST_F(OperatorSocketTest, StrangerIsRefusedWhateverTheModeOfTheFile) {
  if (!may_become_nobody()) GTEST_SKIP() << "only root can become somebody else here";
  ASSERT_EQ(::chmod(files.path().c_str(), 0711), 0);
  ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
  for (const char* command : {"status", "reload", "stop"}) {
    const CommandResult result =
        run_command(as_nobody({holdfast_path(), command, "--control", path}));
    EXPECT_EQ(result.status, exited(4)) << command << result.err;
    EXPECT_NE(result.err.find("uid 65534 is neither root nor its owner"), std::string::npos)
        << result.err;
  }
  EXPECT_EQ(run->wait("operator_refused").number("uid"), 65'534);
  expect_untouched();
}

TEST_F(OperatorSocketTest, MemberOfTheGroupMayAndAStrangerMayNot) {
  if (!may_become_nobody()) GTEST_SKIP() << "only root can become somebody else here";
  ASSERT_EQ(::chmod(files.path().c_str(), 0711), 0);
  start({"--control-group", "daemon"});
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0660u);
  const CommandResult member = run_command(as_nobody(
      {holdfast_path(), "reload", "--wait", "--control", path}, std::to_string(info.st_gid)));
  EXPECT_EQ(member.status, exited(0)) << member.err;
  EXPECT_EQ(run->wait("operator_request").number("uid"), 65'534);
  EXPECT_EQ(run_command(as_nobody({holdfast_path(), "status", "--control", path})).status,
            exited(4));
}

}  // namespace
}  // namespace holdfast::testing
