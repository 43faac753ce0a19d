// holdfast as PID 1 of a container, and as a subreaper: orphans are reaped, and nobody's status is
// mistaken for a worker's. The pid namespace is a real one, which needs root.
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <stdexcept>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kOrphans = 20;

// Twenty orphans with an exit code of their own, each after `command`, then what follows.
std::string orphans(const std::string& command) {
  return "i=0; while [ $i -lt " + std::to_string(kOrphans) + " ]; do (sh -c '" + command +
         "; exit 4' &); i=$((i+1)); done; ";
}

// Where orphans wait until the test lets them end.
class Leash {
 public:
  Leash() : path_(files_.file("leash")) {
    if (::mkfifo(path_.c_str(), 0600) != 0) throw std::runtime_error("mkfifo");
    // For both, so that nobody waits for anybody in open(2) (fifo(7)).
    end_.reset(::open(path_.c_str(), O_RDWR | O_CLOEXEC));
  }
  std::string wait_command() const { return "read line < " + path_; }
  // A line each; the shell reads byte by byte, and so none takes more.
  void let_go() const {
    const std::string lines(kOrphans, '\n');
    EXPECT_EQ(::write(end_.get(), lines.data(), lines.size()), static_cast<ssize_t>(lines.size()));
  }

 private:
  TempDir files_;
  std::string path_;
  UniqueFd end_;
};

std::vector<std::string> in_own_namespace() {
  return {"unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--"};
}

// unshare(1) is outside of the namespace that its child is PID 1 of.
pid_t pid_one_of(const SupervisorRun& run) {
  std::vector<pid_t> children;
  eventually([&] { return !(children = children_of(run.pid())).empty(); });
  return children.empty() ? -1 : children.front();
}

std::size_t zombies_of(pid_t parent) {
  std::size_t count = 0;
  for (const pid_t child : children_of(parent)) count += process_state(child) == 'Z';
  return count;
}

void expect_reaps(SupervisorRun& run, pid_t supervisor, const Leash& leash) {
  run.wait_ready();
  // The worker, and its orphans.
  EXPECT_TRUE(eventually([&] { return children_of(supervisor).size() == 1 + kOrphans; }));
  leash.let_go();
  EXPECT_TRUE(eventually([&] { return children_of(supervisor).size() == 1; }, 15s))
      << zombies_of(supervisor) << " zombies of " << children_of(supervisor).size();
  EXPECT_EQ(run.count("worker_exited"), 0u) << "an orphan is no worker";
  EXPECT_EQ(RawClient(run.address()).get("/").status, 200);
}

TEST(PidOneTest, OrphansAreReapedAndAStopIsClean) {
  if (::getuid() != 0) GTEST_SKIP() << "a pid namespace needs root";
  const Leash leash;
  SupervisorRun run(
      {.command = {"/bin/sh", "-c", orphans(leash.wait_command()) + "exec " + demo_path()},
       .wrapper = in_own_namespace()});
  const pid_t supervisor = pid_one_of(run);
  EXPECT_EQ(run.wait("started").number("pid"), 1);
  expect_reaps(run, supervisor, leash);
  ASSERT_EQ(::kill(supervisor, SIGHUP), 0);
  run.wait("reload_done");
  ASSERT_EQ(::kill(supervisor, SIGTERM), 0);
  EXPECT_EQ(run.wait_exit(), exited(0));
  EXPECT_EQ(run.wait("stopped").number("killed"), 0);
}

TEST(PidOneTest, AWorkersStatusIsItsOwnAmongManyOrphans) {
  if (::getuid() != 0) GTEST_SKIP() << "a pid namespace needs root";
  const TempDir files;
  SupervisorRun run({.flags = {"--give-up", "3"},
                     .command = {"/bin/sh", "-c", orphans(":") + "exit 7"},
                     .wrapper = in_own_namespace()});
  EXPECT_EQ(run.wait_exit(), exited(8));
  const auto ended = run.all("worker_exited");
  EXPECT_EQ(ended.size(), 3u);
  for (const Event& e : ended) EXPECT_EQ(e.fields.value("exit_code", -1), 7) << e.fields;
}

TEST(PidOneTest, ASubreaperAdoptsTheOrphansOfItsWorkers) {
  const Leash leash;
  SupervisorRun run(
      {.flags = {"--subreaper"},
       .command = {"/bin/sh", "-c", orphans(leash.wait_command()) + "exec " + demo_path()}});
  expect_reaps(run, run.pid(), leash);
  expect_clean_stop(run);
}

}  // namespace
}  // namespace holdfast::testing
