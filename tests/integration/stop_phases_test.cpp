// TERM overrides any reload, in whichever phase it finds it: nothing that was accepted is lost, the
// exit status is 0 and nobody is left behind.
#include <chrono>
#include <csignal>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class StopPhasesTest : public ::testing::Test {
 protected:
  void start(SupervisorOptions options) {
    run = std::make_unique<SupervisorRun>(std::move(options));
    run->wait_ready();
    LoadOptions load_options = brisk_load(run->address());
    load = std::make_unique<LoadClient>(load_options);
    load->start();
    ASSERT_TRUE(load->wait_for_requests(200));
  }
  // Under load: TERM now, and the whole audit.
  void stop_now(int deaf = 0) {
    load->expect_stop();
    expect_clean_stop(*run, deaf);
    const LoadResult result = load->finish();
    expect_no_failure(result);
    expect_all_logged(run->log(), result);
  }
  Event wait_of(const std::string& name, int generation) {
    return run->wait_for(name, [&](const Event& e) {
      return e.name() == name && e.number("generation") == generation;
    });
  }
  std::unique_ptr<SupervisorRun> run;
  std::unique_ptr<LoadClient> load;
};

TEST_F(StopPhasesTest, WhileTheFirstGenerationStarts) {
  SupervisorRun first({.command = {demo_path(), "--ready-delay", "600s"}});
  first.wait("worker_started");
  const TimePoint begun = Clock::now();
  EXPECT_EQ(first.stop(), exited(0));
  EXPECT_LT(Clock::now() - begun, scaled(5s)) << "it waited for a worker that serves nobody";
  EXPECT_EQ(first.leftovers(), "");
}

TEST_F(StopPhasesTest, WhileTheCandidateStarts) {
  const TempDir files;
  Releases releases(files);
  releases.add_good("good");
  releases.add("sluggish", "exec \"$DEMO\" --ready-delay 600s");
  releases.flip("good");
  start({.command = {releases.command()}, .workers = "2"});
  releases.flip("sluggish");
  run->signal(SIGHUP);
  wait_of("worker_started", 2);
  stop_now();
  EXPECT_EQ(run->count("reload_done"), 0u);
}

TEST_F(StopPhasesTest, WhileTheCandidateHangsBeforeItSaysAnything) {
  const TempDir files;
  Releases releases(files);
  releases.add_good("good");
  releases.add("mute", "trap '' TERM\necho deaf >&2\nwhile :; do sleep 1000; done");
  releases.flip("good");
  start({.flags = {"--kill-timeout", "300ms", "--stop-timeout", "2s"},
         .command = {releases.command()}});
  releases.flip("mute");
  run->signal(SIGHUP);
  run->wait_for("the trap is set", [](const Event& e) { return e.text("line") == "deaf"; });
  stop_now(1);
}

TEST_F(StopPhasesTest, AtTheVeryMomentOfReady) {
  for (int i = 0; i < 5; ++i) {
    start({.workers = "2"});
    run->signal(SIGHUP);
    wait_of("worker_ready", 2);
    stop_now();
    ASSERT_FALSE(HasFailure()) << "in round " << i + 1;
  }
}

TEST_F(StopPhasesTest, WhileAnOldGenerationDrains) {
  start({.workers = "1"});
  RawClient slow(run->address());
  const pid_t old_pid = slow.get("/").pid();
  slow.send(get_request("/?duration=1500ms"));
  ASSERT_EQ(run->reload().name(), "reload_done");
  ASSERT_TRUE(is_alive(old_pid));
  load->expect_stop();
  EXPECT_EQ(run->stop(), exited(0));
  const Response response = slow.read_response();
  EXPECT_EQ(response.body, "Hello, world!");
  EXPECT_EQ(response.pid(), old_pid);
  EXPECT_EQ(run->leftovers(), "");
  expect_no_failure(load->finish());
}

TEST_F(StopPhasesTest, WhileACrashedWorkerIsAwaited) {
  SupervisorRun crashing({.flags = {"--give-up", "1000"}, .command = {"/bin/false"}});
  // Far enough for the back-off to be waiting.
  for (std::size_t n = 0, from = 0; n < 4; ++n)
    from = crashing.wait("worker_exited", from).index + 1;
  EXPECT_EQ(crashing.stop(), exited(0));
  EXPECT_EQ(crashing.leftovers(), "");
}

}  // namespace
}  // namespace holdfast::testing
