// TTIN and TTOU change the number of workers, under load and without a client noticing.
#include <chrono>
#include <csignal>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

TEST(ScaleTest, WorkersComeAndGoUnderLoad) {
  SupervisorRun run;
  run.wait_ready();
  LoadClient load(brisk_load(run.address()));
  load.start();
  ASSERT_TRUE(load.wait_for_requests(200));
  std::size_t from = 0;
  for (int i = 0; i < 3; ++i) {
    from = run.mark();
    run.signal(SIGTTIN);
    EXPECT_EQ(run.wait("worker_accepting", from).number("generation"), 1);
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 100));
  }
  EXPECT_EQ(children_of(run.pid()).size(), 4u);
  for (int i = 0; i < 3; ++i) {
    from = run.mark();
    run.signal(SIGTTOU);
    EXPECT_EQ(run.wait("worker_exited", from).fields.value("exit_code", -1), 0);
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 100));
  }
  const LoadResult result = load.finish();
  expect_no_failure(result);
  expect_clean_stop(run);
  expect_all_logged(run.log(), result);
  EXPECT_EQ(run.started_workers().size(), 4u) << "a worker that was let go was replaced";
}

TEST(ScaleTest, TheLastWorkerStays) {
  SupervisorRun run;
  run.wait_ready();
  const pid_t worker = run.worker_pid(1);
  const std::size_t from = run.mark();
  run.signal(SIGTTOU);
  run.wait("signal_received", from);
  run.signal(SIGTTIN);  // acted on after the one before
  run.wait("worker_accepting", from);
  EXPECT_TRUE(is_alive(worker));
  EXPECT_EQ(run.count("worker_exited"), 0u);
  EXPECT_EQ(run.started_workers().size(), 2u);
  expect_clean_stop(run);
}

TEST(ScaleTest, AReloadKeepsTheNumber) {
  SupervisorRun run;
  run.wait_ready();
  const std::size_t from = run.mark();
  run.signal(SIGTTIN);
  run.wait("worker_accepting", from);
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(run.started_workers(2).size(), 2u);
  expect_clean_stop(run);
}

TEST(ScaleTest, AutoIsOneForEachProcessor) {
  const auto processors = std::stoul(run_command({"nproc"}).out);
  SupervisorRun run({.workers = "auto"});
  run.wait_ready();
  EXPECT_EQ(run.started_workers(1).size(), processors);
  expect_clean_stop(run);
}

}  // namespace
}  // namespace holdfast::testing
