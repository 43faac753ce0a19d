#include "supervisor/io/launch_plan.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>

namespace holdfast::supervisor {
namespace {

namespace fs = std::filesystem;

class LaunchPlanTest : public ::testing::Test {
 protected:
  LaunchPlanTest() {
    root = fs::temp_directory_path() / ("launch_plan_test." + std::to_string(::getpid()));
    fs::create_directories(root / "one");
    fs::create_directories(root / "two");
    root = fs::canonical(root);
    for (const char* release : {"one", "two"}) add(root / release / "service");
    point_to("one");
  }
  ~LaunchPlanTest() override { fs::remove_all(root); }

  static void add(const fs::path& file, fs::perms perms = fs::perms::owner_all) {
    std::ofstream(file) << "#!/bin/sh\n";
    fs::permissions(file, perms);
  }
  void point_to(const char* release) {
    fs::remove(root / "current");
    fs::create_directory_symlink(release, root / "current");
  }
  std::string current() const { return root / "current"; }
  std::string error(const std::string& command, const std::string& cwd) const {
    const auto plan = make_launch_plan({command}, cwd);
    return plan ? "" : plan.error().message;
  }

  fs::path root;
};

TEST_F(LaunchPlanTest, ARelativeCommandIsTakenFromTheDirectoryThroughSymlinks) {
  const auto plan = make_launch_plan({"./service", "-v"}, current());
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->executable, root / "one/service");
  EXPECT_EQ(plan->cwd, root / "one");
  EXPECT_EQ(plan->arguments, (std::vector<std::string>{"./service", "-v"}));
}

TEST_F(LaunchPlanTest, AFlippedSymlinkIsSeenNextTimeAndNotByTheOldPlan) {
  const auto old = make_launch_plan({"./service"}, current());
  point_to("two");
  const auto fresh = make_launch_plan({"./service"}, current());
  EXPECT_EQ(fresh->executable, root / "two/service");
  EXPECT_EQ(old->executable, root / "one/service");
}

TEST_F(LaunchPlanTest, ABareNameIsFoundByPath) {
  const std::string before = std::getenv("PATH");
  ::setenv("PATH", ("/nonexistent:" + current()).c_str(), 1);
  const auto plan = make_launch_plan({"service"}, "/");
  const std::string missing = error("nonesuch", "/");
  ::setenv("PATH", before.c_str(), 1);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->executable, root / "one/service");
  EXPECT_EQ(missing, "cannot run nonesuch: not found in PATH");
}

TEST_F(LaunchPlanTest, WhatCannotRunIsRefusedWithTheReason) {
  EXPECT_EQ(error("./nonesuch", current()), "cannot run ./nonesuch: No such file or directory");
  EXPECT_EQ(error("../one", current()), "cannot run ../one: Is a directory");
  EXPECT_EQ(error("./service", root / "three"),
            "cannot enter " + (root / "three").string() + ": No such file or directory");
  EXPECT_EQ(error("", current()), "cannot run the command: its name is empty");
  add(root / "one/notes", fs::perms::owner_read);
  EXPECT_EQ(error("./notes", current()), "cannot run ./notes: Permission denied");
}

TEST_F(LaunchPlanTest, WhatConcernsOnlyTheSupervisorIsNotInherited) {
  const char* const ours[] = {"HOLDFAST_CHANNEL_FD", "HOLDFAST_CONTROL", "LISTEN_FDS",
                              "LISTEN_PID",          "NOTIFY_SOCKET",    "WATCHDOG_USEC"};
  for (const char* name : ours) ::setenv(name, "1", 1);
  ::setenv("NOTIFY_SOCKETS_OF_MINE", "1", 1);
  const std::vector<std::string> variables = worker_environment();
  for (const char* name : ours) {
    ::unsetenv(name);
    EXPECT_TRUE(std::ranges::none_of(variables, [&](const std::string& variable) {
      return variable.starts_with(std::string(name) + "=");
    })) << name;
  }
  ::unsetenv("NOTIFY_SOCKETS_OF_MINE");
  EXPECT_EQ(std::ranges::count(variables, "NOTIFY_SOCKETS_OF_MINE=1"), 1);
}

TEST_F(LaunchPlanTest, TheLogicalDirectoryIsPwdWhenItIsTrue) {
  const fs::path before = fs::current_path();
  const std::string pwd = std::getenv("PWD") != nullptr ? std::getenv("PWD") : "";
  fs::current_path(current());
  ::setenv("PWD", current().c_str(), 1);
  EXPECT_EQ(logical_cwd(""), current());
  EXPECT_EQ(logical_cwd("sub"), current() + "/sub");
  EXPECT_EQ(logical_cwd("/srv"), "/srv");
  ::setenv("PWD", "/etc", 1);
  EXPECT_EQ(logical_cwd(""), (root / "one").string()) << "a wrong $PWD is not believed";
  fs::current_path(before);
  ::setenv("PWD", pwd.c_str(), 1);
}

}  // namespace
}  // namespace holdfast::supervisor
