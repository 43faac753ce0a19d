#include <gtest/gtest.h>

#include "tests/unit/supervisor/fleet_world.hpp"

namespace holdfast::supervisor {
namespace {

constexpr GenerationId kFirst{1};

class FleetWorkerTest : public ::testing::Test {
 protected:
  FleetWorkerTest() {
    FleetPolicy policy = plain_policy();
    policy.workers = 2;
    world = FleetWorld(policy);
    world.start();
  }
  void TearDown() override {
    for (const std::string& broken : world.broken_laws) ADD_FAILURE() << broken;
  }
  template <typename Action>
  std::size_t told() const {
    return world.all<Action>().size();
  }

  FleetWorld world;
  const WorkerId first{1};
  const WorkerId second{2};
};

TEST_F(FleetWorkerTest, ACrashedWorkerIsReplacedAtOnce) {
  world.die(first);
  EXPECT_EQ(told<StartWorker>(), 3U);
  world.settle();
  EXPECT_EQ(world.accepting(kFirst), 2U);
  EXPECT_EQ(world.last_report("worker_exited").severity, Severity::Warning);
}

TEST_F(FleetWorkerTest, QuickDeathsAreReplacedEverLater) {
  world.die(first);
  world.settle();
  world.die(second);
  EXPECT_EQ(told<StartWorker>(), 3U);
  EXPECT_EQ(world.number("respawn_delayed", "delay_ms"), 100U);
  world.advance(Millis{100});
  EXPECT_EQ(told<StartWorker>(), 4U);
}

TEST_F(FleetWorkerTest, AWorkerThatWasReadyForLongIsReplacedAtOnceAgain) {
  world.die(first);
  world.settle();
  world.advance(kSettled);
  world.die(second);
  EXPECT_EQ(told<StartWorker>(), 4U);
}

TEST_F(FleetWorkerTest, AWorkerThatLeavesByItselfIsReplacedAtOnce) {
  world.advance(Millis{2'000});
  world.feed(WorkerBeganDrain{first, DrainReason::Operator});
  world.feed(WorkerBeganDrain{second, DrainReason::Recycle});
  EXPECT_EQ(told<StartWorker>(), 4U);
  world.end_quietly(first);
  world.end_quietly(second);
  world.settle();
  EXPECT_EQ(told<StartWorker>(), 4U) << "their ends are no crashes";
  EXPECT_EQ(world.accepting(kFirst), 2U);
}

TEST_F(FleetWorkerTest, AWorkerThatLeavesWhenItIsReadyIsNoBusyLoop) {
  for (int i = 0; i < 100; ++i) {
    for (const WorkerId id : world.of(kFirst)) {
      if (world.worker(id).leaving) continue;
      world.feed(WorkerBeganDrain{id, DrainReason::Recycle});
      world.end_quietly(id);
    }
    world.settle();
    world.advance(Millis{10});
  }
  EXPECT_LT(told<StartWorker>(), 12U);
}

TEST_F(FleetWorkerTest, AnExitIsProcessedOnlyAfterTheChannelWasRead) {
  world.feed(WorkerExited{first, {SIGSEGV, 0}});
  EXPECT_EQ(world.reports("worker_exited"), 0U);
  world.feed(WorkerDrained{first, Drained{9, 0, 0, 0, 0}});
  EXPECT_EQ(world.number("drained", "served"), 9U);
  world.feed(ChannelClosed{first});
  EXPECT_EQ(world.reports("worker_exited"), 1U);
}

TEST_F(FleetWorkerTest, AChannelThatAStrangerHoldsOpenIsNotWaitedForLong) {
  world.feed(WorkerExited{first, {SIGSEGV, 0}});
  world.advance(kEndTogether);
  EXPECT_EQ(world.reports("worker_exited"), 1U);
  EXPECT_EQ(told<StartWorker>(), 3U);
}

TEST_F(FleetWorkerTest, AWorkerThatClosesItsChannelAndLivesIsKilled) {
  world.feed(ChannelClosed{first});
  EXPECT_EQ(told<KillWorker>(), 0U) << "its exit may be on the way";
  world.advance(kEndTogether);
  EXPECT_EQ(told<KillWorker>(), 1U);
}

TEST_F(FleetWorkerTest, GarbageOnTheChannelIsAFailedWorker) {
  world.feed(WorkerBrokeProtocol{first, "cannot read control message: it is not a JSON object"});
  EXPECT_EQ(told<KillWorker>(), 1U);
  world.die(first, {SIGKILL, 0});
  world.settle();
  EXPECT_EQ(world.accepting(kFirst), 2U);
}

TEST_F(FleetWorkerTest, AnUnknownProtocolIsAFailedWorker) {
  world.die(first);
  const WorkerId fresh = world.all<StartWorker>().back().worker;
  world.feed(WorkerGreeted{fresh, {900, 901}});
  EXPECT_EQ(told<KillWorker>(), 1U);
}

TEST_F(FleetWorkerTest, ReadyBeforeWelcomeIsAFailedWorker) {
  world.die(first);
  const WorkerId fresh = world.all<StartWorker>().back().worker;
  world.feed(WorkerBecameReady{fresh});
  EXPECT_EQ(told<KillWorker>(), 1U);
}

TEST_F(FleetWorkerTest, ARespawnThatIsNotReadyInTimeIsKilledAndTriedAgain) {
  world.die(first);
  world.advance(world.fleet.policy.ready_timeout);
  EXPECT_EQ(told<KillWorker>(), 1U);
  EXPECT_EQ(world.fleet.history.deaths_before_ready, 0U);
  world.die(world.all<KillWorker>()[0].worker, {SIGKILL, 0});
  EXPECT_EQ(world.fleet.history.deaths_before_ready, 1U);
}

TEST_F(FleetWorkerTest, ACrashLoopBesideAServingWorkerIsNotGivenUp) {
  world.die(first);
  for (int i = 0; i < 30; ++i) {
    for (const WorkerId id : world.in(WorkerPhase::Starting)) world.die(id);
    world.advance(kLongestRespawnDelay);
  }
  EXPECT_FALSE(world.fleet.stop);
  world.die(second);
  EXPECT_EQ(world.fleet.stop->code, ExitCode::CrashLoop) << "now nobody serves";
}

TEST_F(FleetWorkerTest, ACrashLoopIsNotGivenUpWhileAReloadMayCureIt) {
  world.die(first);
  for (int i = 0; i < 15; ++i) {
    for (const WorkerId id : world.in(WorkerPhase::Starting)) world.die(id);
    world.advance(kLongestRespawnDelay);
  }
  world.feed(ReloadRequested{});
  world.die(second);
  EXPECT_FALSE(world.fleet.stop);
  world.settle();
  EXPECT_EQ(world.fleet.serving, GenerationId{2});
}

TEST_F(FleetWorkerTest, ScalingUpStartsAndScalingDownDrainsOne) {
  world.feed(ScaleRequested{+1});
  world.settle();
  EXPECT_EQ(world.accepting(kFirst), 3U);
  world.feed(ScaleRequested{-1});
  ASSERT_EQ(told<TellDrain>(), 1U);
  EXPECT_EQ(world.all<TellDrain>()[0].reason, DrainReason::Scale);
  EXPECT_EQ(world.all<TellDrain>()[0].worker, WorkerId{3}) << "the newest";
  world.settle();
  EXPECT_EQ(world.fleet.workers.size(), 2U);
}

TEST_F(FleetWorkerTest, ScalingHoldsForTheNextGeneration) {
  world.feed(ScaleRequested{+1});
  world.settle();
  world.feed(ReloadRequested{});
  world.settle();
  EXPECT_EQ(world.accepting(GenerationId{2}), 3U);
}

TEST_F(FleetWorkerTest, ScalingDuringAReloadWaitsForItsEnd) {
  world.feed(ReloadRequested{});
  world.feed(ScaleRequested{-1});
  world.settle();
  EXPECT_EQ(world.accepting(GenerationId{2}), 1U);
}

TEST_F(FleetWorkerTest, TheLastWorkerIsNotScaledAway) {
  for (int i = 0; i < 5; ++i) world.feed(ScaleRequested{-1});
  world.settle();
  EXPECT_EQ(world.accepting(kFirst), 1U);
  EXPECT_EQ(world.reports("scale_refused"), 4U);
}

TEST_F(FleetWorkerTest, ScalingDownTakesAVacancyFirst) {
  world.die(first);
  world.settle();
  world.die(second);  // its replacement waits 100 ms
  world.feed(ScaleRequested{-1});
  world.settle();
  EXPECT_EQ(told<TellDrain>(), 0U);
  EXPECT_EQ(world.fleet.workers.size(), 1U);
}

TEST_F(FleetWorkerTest, ALastMessageOfADeadWorkerIsNotTakenForALiveOnes) {
  world.die(first);
  const WorkerId fresh = world.all<StartWorker>().back().worker;
  world.work(fresh);
  world.feed(WorkerExited{fresh, {{}, 1}});
  const std::size_t accepts = told<TellAccept>();
  world.feed(WorkerBecameReady{fresh});
  EXPECT_EQ(told<TellAccept>(), accepts);
}

}  // namespace
}  // namespace holdfast::supervisor
