// Workers that are stuck, and workers that have served enough.
#include <gtest/gtest.h>

#include "tests/unit/supervisor/fleet_world.hpp"

namespace holdfast::supervisor {
namespace {

FleetPolicy with_heartbeat() {
  FleetPolicy policy = plain_policy();
  policy.workers = 2;
  policy.heartbeat_timeout = 30s;
  return policy;
}

TEST(FleetHeartbeatTest, AWorkerThatAnswersIsLeftAlone) {
  FleetWorld world(with_heartbeat());
  world.start();
  for (int i = 0; i < 20; ++i) {
    world.advance(10s);
    world.settle();
  }
  EXPECT_EQ(world.all<PingWorker>().size(), 40U);
  EXPECT_TRUE(world.all<AbortWorker>().empty());
  EXPECT_EQ(world.accepting(GenerationId{1}), 2U);
}

TEST(FleetHeartbeatTest, ASilentWorkerIsAbortedAndReplaced) {
  FleetWorld world(with_heartbeat());
  world.start();
  world.advance(10s);
  world.work(WorkerId{1});
  world.advance(30s);
  ASSERT_EQ(world.all<AbortWorker>().size(), 1U);
  EXPECT_EQ(world.all<AbortWorker>()[0].worker, WorkerId{2});
  EXPECT_EQ(world.text("heartbeat_missed", "reason"), "no heartbeat within 30s");
  world.die(WorkerId{2}, {SIGABRT, 0});
  world.settle();
  EXPECT_EQ(world.accepting(GenerationId{1}), 2U);
}

TEST(FleetHeartbeatTest, OneThatSurvivesTheAbortIsKilled) {
  FleetWorld world(with_heartbeat());
  world.start();
  world.advance(10s);
  world.work(WorkerId{1});
  world.advance(30s + kAbortTakesEffect);
  ASSERT_EQ(world.all<KillWorker>().size(), 1U);
  EXPECT_EQ(world.text("worker_killed", "phase"), "aborting");
}

TEST(FleetHeartbeatTest, ADrainingWorkerHasOnlyItsDrainsDeadline) {
  FleetWorld world(with_heartbeat());
  world.start();
  world.advance(10s);
  world.feed(WorkerBeganDrain{WorkerId{1}, DrainReason::Operator});
  world.work(WorkerId{2});
  world.advance(35s);
  EXPECT_TRUE(world.all<AbortWorker>().empty());
}

TEST(FleetHeartbeatTest, ACandidateThatHangsFailsTheReload) {
  FleetPolicy policy = with_heartbeat();
  policy.canary = 1;
  policy.canary_time = 60s;
  FleetWorld world(policy);
  world.start();
  world.feed(ReloadRequested{});
  world.settle();
  world.advance(10s);
  world.work(WorkerId{1});
  world.work(WorkerId{2});
  world.advance(30s);
  EXPECT_EQ(world.text("reload_failed", "reason"), "no heartbeat within 30s");
  EXPECT_EQ(world.accepting(GenerationId{1}), 2U);
}

TEST(FleetHeartbeatTest, ACandidateIsAskedByItsOwnRulesAndSoItIsOnceItServes) {
  FleetPolicy slow = with_heartbeat();
  slow.heartbeat_timeout = Millis{600'000};
  FleetWorld world(slow);
  world.start();
  world.new_policy = with_heartbeat();
  world.new_policy->heartbeat_timeout = 3s;
  world.new_policy->canary = 1;
  world.new_policy->canary_time = 20s;
  world.feed(ReloadRequested{});
  world.settle();
  world.advance(1s);
  ASSERT_EQ(world.all<PingWorker>().size(), 3U) << "all are asked when the first one is due";
  for (int i = 0; i < 30; ++i) {
    world.settle();
    world.advance(1s);
  }
  EXPECT_EQ(world.fleet.serving, GenerationId{2});
  world.settle();
  world.advance(5s);
  EXPECT_EQ(world.all<AbortWorker>().size(), 2U);
}

FleetPolicy with_an_end() {
  FleetPolicy policy = plain_policy();
  policy.workers = 2;
  policy.max_requests = 1'000;
  return policy;
}

TEST(FleetRecyclingTest, TheOldOneLeavesOnlyWhenItsSuccessorAccepts) {
  FleetWorld world(with_an_end());
  world.start();
  world.feed(WorkerLoadChanged{WorkerId{1}, 5, 1, 1'200, 0});
  ASSERT_EQ(world.fleet.workers.size(), 3U);
  EXPECT_TRUE(world.all<TellDrain>().empty());
  world.settle();
  ASSERT_EQ(world.all<TellDrain>().size(), 1U);
  EXPECT_EQ(world.all<TellDrain>()[0].reason, DrainReason::Recycle);
  EXPECT_EQ(world.all<TellDrain>()[0].worker, WorkerId{1});
  EXPECT_EQ(world.text("worker_recycled", "reason"), "max_requests");
  EXPECT_EQ(world.fleet.workers.size(), 2U);
  EXPECT_TRUE(world.broken_laws.empty()) << world.broken_laws.front();
}

TEST(FleetRecyclingTest, TheOldOneStaysWhileAnotherIsMissing) {
  FleetWorld world(with_an_end());
  world.start();
  world.feed(WorkerLoadChanged{WorkerId{1}, 5, 1, 1'200, 0});
  world.die(WorkerId{2});
  while (world.work(WorkerId{3})) {
  }
  EXPECT_EQ(world.accepting(GenerationId{1}), 2U);
  EXPECT_TRUE(world.all<TellDrain>().empty());
  world.settle();
  EXPECT_EQ(world.all<TellDrain>().size(), 1U);
  EXPECT_EQ(world.accepting(GenerationId{1}), 2U);
}

TEST(FleetRecyclingTest, OneAtATime) {
  FleetWorld world(with_an_end());
  world.start();
  world.feed(WorkerLoadChanged{WorkerId{1}, 5, 1, 1'200, 0});
  world.feed(WorkerLoadChanged{WorkerId{2}, 5, 1, 1'200, 0});
  EXPECT_EQ(world.fleet.workers.size(), 3U);
  world.settle();
  EXPECT_EQ(world.all<TellDrain>().size(), 2U);
  EXPECT_EQ(world.accepting(GenerationId{1}), 2U);
}

TEST(FleetRecyclingTest, ASuccessorThatFailsIsTriedAgainMuchLater) {
  FleetWorld world(with_an_end());
  world.start();
  world.feed(WorkerLoadChanged{WorkerId{1}, 5, 1, 1'200, 0});
  world.die(WorkerId{3});
  EXPECT_EQ(world.fleet.workers.size(), 2U);
  EXPECT_EQ(world.accepting(GenerationId{1}), 2U);
  world.advance(kLongestRespawnDelay - 1ms);
  EXPECT_EQ(world.fleet.workers.size(), 2U);
  world.advance(1ms);
  EXPECT_EQ(world.fleet.workers.size(), 3U);
}

TEST(FleetRecyclingTest, AnOldOneThatDiesMeanwhileHasItsSuccessorAlready) {
  FleetWorld world(with_an_end());
  world.start();
  world.feed(WorkerLoadChanged{WorkerId{1}, 5, 1, 1'200, 0});
  world.die(WorkerId{1});
  world.settle();
  EXPECT_EQ(world.accepting(GenerationId{1}), 2U);
  EXPECT_EQ(world.fleet.workers.size(), 2U);
}

TEST(FleetRecyclingTest, AReloadMakesItNeedless) {
  FleetWorld world(with_an_end());
  world.start();
  world.feed(WorkerLoadChanged{WorkerId{1}, 5, 1, 1'200, 0});
  world.feed(ReloadRequested{});
  world.settle();
  EXPECT_EQ(world.fleet.serving, GenerationId{2});
  EXPECT_EQ(world.fleet.workers.size(), 2U);
  EXPECT_FALSE(world.fleet.recycling);
}

TEST(FleetRecyclingTest, MemoryIsMeasuredAndTooMuchOfItIsAnEnd) {
  FleetPolicy policy = plain_policy();
  policy.max_rss = 100 << 20;
  FleetWorld world(policy);
  world.start();
  world.advance(kMeasureEvery);
  EXPECT_EQ(world.all<MeasureMemory>().size(), 1U);
  world.feed(WorkerGrew{WorkerId{1}, 50 << 20});
  EXPECT_EQ(world.fleet.workers.size(), 1U);
  world.feed(WorkerGrew{WorkerId{1}, 120 << 20});
  EXPECT_EQ(world.fleet.workers.size(), 2U);
  world.settle();
  EXPECT_EQ(world.text("worker_recycled", "reason"), "max_rss");
}

TEST(FleetRecyclingTest, SiblingsOfOneAgeDoNotEndTogether) {
  FleetPolicy policy = plain_policy();
  policy.workers = 8;
  policy.max_age = 1'000s;
  FleetWorld world(policy);
  world.start();
  world.advance(899s);
  EXPECT_TRUE(world.all<TellDrain>().empty());
  std::size_t last = 0;
  std::size_t most = 0;
  for (int second = 0; second < 220; ++second) {
    world.advance(1s);
    world.settle();
    const std::size_t gone = world.all<TellDrain>().size();
    most = std::max(most, gone - last);
    last = gone;
  }
  EXPECT_EQ(last, 8U);
  EXPECT_LE(most, 3U);
}

}  // namespace
}  // namespace holdfast::supervisor
