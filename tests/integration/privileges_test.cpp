// Workers without the supervisor's rights. As root, with nobody as the user; as somebody else, what
// is refused.
#include <csignal>
#include <filesystem>
#include <fstream>
#include <pwd.h>
#include <sstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

// The words behind `key` in a file of /proc/PID.
std::vector<std::string> words_behind(pid_t pid, const std::string& file, const std::string& key) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/" + file);
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with(key)) continue;
    std::istringstream rest(line.substr(key.size()));
    std::vector<std::string> words;
    for (std::string word; rest >> word;) words.push_back(word);
    return words;
  }
  return {};
}

std::vector<std::string> four_times(std::uint64_t id) {
  return std::vector<std::string>(4, std::to_string(id));
}

constexpr const char* kNobody = "nobody";

struct PrivilegesTest : ::testing::Test {
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can start workers as somebody else";
    const passwd* entry = ::getpwnam(kNobody);
    ASSERT_NE(entry, nullptr);
    uid = entry->pw_uid;
    gid = entry->pw_gid;
  }

  SupervisorRun& start(std::vector<std::string> flags,
                       std::vector<std::string> listen = {"127.0.0.1:0"}) {
    flags.insert(flags.end(), {"--probation", "0"});
    run = std::make_unique<SupervisorRun>(
        SupervisorOptions{.listen = std::move(listen), .flags = std::move(flags)});
    run->wait_ready();
    return *run;
  }

  void expect_is_nobody(pid_t pid) const {
    EXPECT_EQ(words_behind(pid, "status", "Uid:"), four_times(uid));
    EXPECT_EQ(words_behind(pid, "status", "Gid:"), four_times(gid));
    for (const char* set : {"CapEff:", "CapPrm:", "CapInh:", "CapAmb:"}) {
      EXPECT_EQ(words_behind(pid, "status", set), std::vector<std::string>{"0000000000000000"})
          << set;
    }
  }

  uid_t uid = 0;
  gid_t gid = 0;
  std::unique_ptr<SupervisorRun> run;
};

TEST_F(PrivilegesTest, WorkersOfEveryGenerationRunAsTheUserWithNoCapabilityLeft) {
  start({"--user", kNobody});
  expect_is_nobody(run->worker_pid(1));
  EXPECT_EQ(words_behind(run->worker_pid(1), "status", "Groups:"),
            std::vector<std::string>{std::to_string(gid)});
  EXPECT_EQ(words_behind(run->pid(), "status", "Uid:"), four_times(0));
  ASSERT_EQ(run->reload().name(), "reload_done");
  expect_is_nobody(run->worker_pid(2));
  const std::size_t from = run->mark();
  ::kill(run->worker_pid(2), SIGKILL);
  const Event born = run->wait("worker_accepting", from);
  expect_is_nobody(static_cast<pid_t>(born.number("pid")));
  EXPECT_EQ(RawClient(run->address()).get("/").status, 200);
}

TEST_F(PrivilegesTest, ServesAPrivilegedPathAndLogsWhereTheUserCouldNot) {
  const TempDir files;  // root's alone
  start({"--user", kNobody}, {"unix:" + files.file("s") + ",mode=0600"});
  struct stat info {};
  ASSERT_EQ(::stat(files.file("s").c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 0u) << "the listener is the supervisor's";
  EXPECT_EQ(RawClient("unix:" + files.file("s")).get("/").status, 200);
  expect_clean_stop(*run);
  EXPECT_FALSE(std::filesystem::exists(files.file("s")));
  EXPECT_EQ(run->log().size(), 1u);
}

TEST_F(PrivilegesTest, LogRotationStillWorks) {
  start({"--user", kNobody});
  RawClient(run->address()).get("/one");
  const std::string rotated = run->access_log_path() + ".1";
  std::filesystem::rename(run->access_log_path(), rotated);
  const std::size_t from = run->mark();
  run->signal(SIGUSR1);
  run->wait("logs_reopened", from);
  RawClient(run->address()).get("/two");
  expect_clean_stop(*run);
  EXPECT_EQ(AccessLog::read(rotated).size() + run->log().size(), 2u);
  EXPECT_EQ(run->log().count("url", "/two"), 1u);
  struct stat info {};
  ASSERT_EQ(::stat(run->access_log_path().c_str(), &info), 0);
  EXPECT_EQ(info.st_uid, 0u);
}

TEST_F(PrivilegesTest, GroupsAreThoseThatWereAskedFor) {
  start({"--user", kNobody, "--group", "4321", "--groups", "1234", "--groups", "2345"});
  const pid_t pid = run->worker_pid(1);
  EXPECT_EQ(words_behind(pid, "status", "Gid:"), four_times(4321));
  EXPECT_EQ(words_behind(pid, "status", "Groups:"), (std::vector<std::string>{"1234", "2345"}));
}

TEST_F(PrivilegesTest, LimitsPriorityUmaskAndDirectoryReachTheWorker) {
  start({"--user", kNobody, "--nofile", "777", "--umask", "027", "--nice", "-3", "--no-new-privs",
         "--cwd", "/usr"});
  const pid_t pid = run->worker_pid(1);
  EXPECT_EQ(words_behind(pid, "limits", "Max open files"),
            (std::vector<std::string>{"777", "777", "files"}));
  EXPECT_EQ(words_behind(pid, "status", "Umask:"), std::vector<std::string>{"0027"});
  EXPECT_EQ(words_behind(pid, "status", "NoNewPrivs:"), std::vector<std::string>{"1"});
  EXPECT_EQ(std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/cwd"), "/usr");
  EXPECT_EQ(::getpriority(PRIO_PROCESS, static_cast<id_t>(pid)), -3);
  EXPECT_EQ(words_behind(run->pid(), "status", "NoNewPrivs:"), std::vector<std::string>{"0"});
}

TEST_F(PrivilegesTest, EnvironmentIsTheUsersAndNotRoots) {
  start({"--user", kNobody});
  auto variables = environment_of(run->worker_pid(1));
  EXPECT_EQ(variables["USER"], kNobody);
  EXPECT_EQ(variables["LOGNAME"], kNobody);
  EXPECT_EQ(variables["HOME"], ::getpwnam(kNobody)->pw_dir);
}

TEST_F(PrivilegesTest, ProgramThatTheUserMayNotRunFailsTheStartAndIsNotRunAsRoot) {
  const TempDir files;
  std::filesystem::copy_file(demo_path(), files.file("worker"));
  std::filesystem::permissions(files.file("worker"), std::filesystem::perms::owner_all);
  SupervisorRun failing(
      {.flags = {"--user", kNobody, "--give-up", "1"}, .command = {files.file("worker")}});
  const Event refused = failing.wait("worker_not_started");
  EXPECT_TRUE(refused.text("reason").ends_with("Permission denied")) << refused.text("reason");
  EXPECT_NE(failing.wait_exit(), exited(0));
  EXPECT_TRUE(failing.started_workers().empty());
}

// Whatever step fails, the child ends before it could run the program with more rights.
TEST_F(PrivilegesTest, LimitThatTheKernelRefusesIsNamed) {
  SupervisorRun failing({.flags = {"--nofile", "999999999", "--give-up", "1"}});
  const Event refused = failing.wait("worker_not_started");
  EXPECT_NE(refused.text("reason").find("cannot set its limit of descriptors: "), std::string::npos)
      << refused.text("reason");
  failing.wait_exit();
}

// setpriv (util-linux) takes root's rights away before holdfast starts.
struct UnprivilegedTest : PrivilegesTest {
  CommandResult holdfast_as_nobody(std::vector<std::string> arguments) const {
    std::vector<std::string> argv{"setpriv",      "--reuid",           std::to_string(uid),
                                  "--regid",      std::to_string(gid), "--clear-groups",
                                  holdfast_path()};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    return run_command(argv);
  }
};

TEST_F(UnprivilegedTest, AnotherUserIsRefusedBeforeAnythingStarts) {
  for (const char* command : {"run", "check"}) {
    const CommandResult result = holdfast_as_nobody(
        {command, "--listen", "127.0.0.1:0", "--user", "root", "--", demo_path()});
    EXPECT_EQ(result.status, exited(6)) << result.err;
    EXPECT_EQ(result.err,
              "holdfast: cannot run workers as user root: only root can; this "
              "supervisor runs as uid " +
                  std::to_string(uid) + "\n");
  }
}

TEST_F(UnprivilegedTest, ItsOwnUserIsNothingToDo) {
  const CommandResult result = holdfast_as_nobody(
      {"check", "--listen", "127.0.0.1:0", "--user", kNobody, "--", demo_path()});
  EXPECT_EQ(result.status, exited(0)) << result.err;
}

TEST_F(UnprivilegedTest, MoreDescriptorsThanItMayHaveAreRefused) {
  const CommandResult result = holdfast_as_nobody(
      {"check", "--listen", "127.0.0.1:0", "--nofile", "900000000", "--", demo_path()});
  EXPECT_EQ(result.status, exited(6)) << result.err;
  EXPECT_NE(result.err.find("only root can raise it"), std::string::npos) << result.err;
}

}  // namespace
}  // namespace holdfast::testing
