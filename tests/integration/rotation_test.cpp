// logrotate, with the configuration that docs/logs.md shows.
#include <fstream>

#include "tests/integration/scenario.hpp"

namespace holdfast::testing {
namespace {

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const std::size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

TEST(RotationTest, LogrotateAsDocumentedLosesNoLineAndTearsNone) {
  if (run_command({"sh", "-c", "command -v logrotate"}).status != exited(0))
    GTEST_SKIP() << "logrotate (Debian: logrotate) is not installed";
  SupervisorRun run({.workers = "2"});
  run.wait_ready();
  std::ifstream in(HOLDFAST_LOGROTATE);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  text = replaced(text, "/var/log/shop/access.log", run.access_log_path());
  text = replaced(text, "holdfast reopen-logs --name shop",
                  holdfast_path() + " reopen-logs --name " + run.name());
  const std::string config = run.files().write("logrotate.conf", text);
  LoadOptions options{.target = run.address()};
  options.groups.push_back(
      {.name = "n", .connections = 8, .think = {Nanos(0), Nanos(1'000'000)}, .ids = true});
  LoadClient load(options);
  load.start();
  const int rotations = 3;
  for (int i = 0; i < rotations; ++i) {
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 300));
    const CommandResult rotated =
        run_command({"logrotate", "--force", "--state", run.files().file("state"), config});
    EXPECT_EQ(rotated.status, exited(0)) << rotated.err;
  }
  const LoadResult result = load.finish();
  expect_no_failure(result);
  expect_clean_stop(run);
  EXPECT_EQ(run.count("logs_reopened"), static_cast<std::size_t>(rotations));
  const std::string path = run.access_log_path();
  const std::string all =
      run_command(
          {"sh", "-c", "zcat " + path + ".3.gz " + path + ".2.gz && cat " + path + ".1 " + path})
          .out;
  expect_all_logged(AccessLog::parse(all), result);
}

}  // namespace
}  // namespace holdfast::testing
