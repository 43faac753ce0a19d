#include <gtest/gtest.h>

#include "tests/unit/supervisor/fleet_world.hpp"

namespace holdfast::supervisor {
namespace {

constexpr GenerationId kFirst{1};

class FleetStartTest : public ::testing::Test {
 protected:
  void TearDown() override {
    for (const std::string& broken : world.broken_laws) ADD_FAILURE() << broken;
  }
  // The processes run and have said nothing.
  void begin(std::size_t workers) {
    FleetPolicy policy = plain_policy();
    policy.workers = workers;
    world = FleetWorld(policy);
    world.feed(Started{});
    const FleetEvent answer = world.answers.at(0);
    world.answers.clear();
    world.feed(answer);
  }
  const Exit& exit() const { return std::get<Exit>(world.log.back()); }

  FleetWorld world;
};

TEST_F(FleetStartTest, ServesWhenAllWorkersAccept) {
  begin(3);
  world.settle();
  EXPECT_EQ(world.fleet.serving, kFirst);
  EXPECT_EQ(world.accepting(kFirst), 3U);
  EXPECT_EQ(world.reports("worker_ready"), 3U);
  EXPECT_EQ(world.reports("serving"), 1U);
  EXPECT_EQ(world.all<AnnounceServing>().size(), 1U);
}

TEST_F(FleetStartTest, AMissingCommandIsBadConfiguration) {
  world.refuse_commands = true;
  world.start();
  EXPECT_EQ(exit().code, ExitCode::BadConfiguration);
  EXPECT_EQ(exit().cause, "cannot run x: no");
}

TEST_F(FleetStartTest, NotReadyInTimeStopsEverything) {
  begin(2);
  world.work(WorkerId{1});
  world.work(WorkerId{1});
  world.advance(world.fleet.policy.ready_timeout);
  world.settle();
  EXPECT_EQ(exit().code, ExitCode::NotReady);
  EXPECT_EQ(exit().cause, "cannot start generation 1: 1 of 2 workers ready within 1m");
}

TEST_F(FleetStartTest, AWorkerThatDiesBeforeReadyIsReplaced) {
  begin(1);
  world.die(WorkerId{1});
  EXPECT_EQ(world.of(kFirst).size(), 1U) << "the first replacement comes at once";
  world.die(WorkerId{2});
  EXPECT_TRUE(world.of(kFirst).empty());
  world.advance(Millis{100});
  EXPECT_EQ(world.of(kFirst).size(), 1U);
  world.settle();
  EXPECT_EQ(world.fleet.serving, kFirst);
}

TEST_F(FleetStartTest, AWorkerThatDiesWhileTheOthersOpenIsReplaced) {
  begin(2);
  for (int i = 0; i < 3; ++i) world.work(WorkerId{1});
  for (int i = 0; i < 2; ++i) world.work(WorkerId{2});
  world.work(WorkerId{1});
  world.die(WorkerId{2});
  world.settle();
  EXPECT_EQ(world.fleet.serving, kFirst);
  EXPECT_EQ(world.accepting(kFirst), 2U);
}

TEST_F(FleetStartTest, TenDeathsBeforeReadyAreACrashLoop) {
  begin(1);
  int deaths = 0;
  while (!world.fleet.finished) {
    if (!world.of(kFirst).empty()) {
      world.die(world.of(kFirst)[0]);
      ++deaths;
    } else {
      world.now = *world.fleet.wake_at;
      world.fire();
    }
  }
  EXPECT_EQ(deaths, 10);
  EXPECT_EQ(exit().code, ExitCode::CrashLoop);
}

TEST_F(FleetStartTest, AReloadBeforeTheFirstReadyIsQueued) {
  begin(1);
  world.feed(ReloadRequested{});
  EXPECT_EQ(world.fleet.candidate->id, kFirst);
  world.settle();
  EXPECT_EQ(world.fleet.serving, GenerationId{2});
}

TEST_F(FleetStartTest, AStopBeforeReadyTerminatesWhoStarts) {
  begin(2);
  world.feed(StopRequested{});
  EXPECT_EQ(world.all<TerminateWorker>().size(), 2U);
  EXPECT_EQ(world.all<ShutListeners>().size(), 1U) << "nobody serves: just close";
  world.settle();
  EXPECT_EQ(exit().code, ExitCode::Ok);
}

}  // namespace
}  // namespace holdfast::supervisor
