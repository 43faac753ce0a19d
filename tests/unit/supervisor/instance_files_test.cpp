// The files by which others find a supervisor: the lock on its name and the pid file.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "supervisor/io/instance_lock.hpp"
#include "supervisor/io/pid_file.hpp"

namespace holdfast::supervisor {
namespace {

namespace fs = std::filesystem;

std::string unique_name() { return "unit-test-" + std::to_string(::getpid()); }

TEST(InstanceLockTest, ANameIsHeldByOneAndFreeAfterIt) {
  const std::string name = unique_name();
  {
    auto first = lock_instance(name);
    ASSERT_TRUE(first);
    if (!first->file) GTEST_SKIP() << first->warning;
    const auto second = lock_instance(name);
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().message, "cannot run as '" + name +
                                          "': the name is held by the supervisor with pid " +
                                          std::to_string(::getpid()) + "; choose another --name");
    unlock_instance(*first);
  }
  EXPECT_FALSE(fs::exists(runtime_directory().value() + "/" + name + ".lock"));
  auto again = lock_instance(name);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->file);
  unlock_instance(*again);
}

TEST(PidFileTest, HoldsOurPidAndGoesWithUs) {
  const fs::path path = fs::temp_directory_path() / (unique_name() + ".pid");
  ASSERT_TRUE(write_pid_file(path));
  pid_t pid = 0;
  std::ifstream(path) >> pid;
  EXPECT_EQ(pid, ::getpid());
  remove_pid_file(path);
  EXPECT_FALSE(fs::exists(path));
}

TEST(PidFileTest, ReplacesAStaleOneAndFollowsNoLink) {
  const fs::path path = fs::temp_directory_path() / (unique_name() + ".stale.pid");
  const fs::path precious = fs::temp_directory_path() / (unique_name() + ".precious");
  std::ofstream(precious) << "precious";
  fs::create_symlink(precious, path);
  ASSERT_TRUE(write_pid_file(path));
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(path)));
  std::string text;
  std::ifstream(precious) >> text;
  EXPECT_EQ(text, "precious");
  fs::remove(path);
  fs::remove(precious);
}

TEST(PidFileTest, ASuccessorsIsLeftAlone) {
  const fs::path path = fs::temp_directory_path() / (unique_name() + ".other.pid");
  std::ofstream(path) << "1\n";
  remove_pid_file(path);
  EXPECT_TRUE(fs::exists(path));
  fs::remove(path);
}

TEST(PidFileTest, AFolderThatDoesNotExistIsAnError) {
  const auto written = write_pid_file("/nonexistent/x.pid");
  ASSERT_FALSE(written);
  EXPECT_NE(written.error().message.find("No such file"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::supervisor
