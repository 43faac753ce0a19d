#include <gtest/gtest.h>

#include "tests/unit/supervisor/fleet_world.hpp"

namespace holdfast::supervisor {
namespace {

constexpr GenerationId kFirst{1};
constexpr GenerationId kSecond{2};

class FleetStopTest : public ::testing::Test {
 protected:
  FleetStopTest() {
    FleetPolicy policy = plain_policy();
    policy.workers = 2;
    world = FleetWorld(policy);
    world.start();
  }
  void TearDown() override {
    for (const std::string& broken : world.broken_laws) ADD_FAILURE() << broken;
  }

  template <typename Action>
  std::size_t position() const {
    for (std::size_t i = 0; i < world.log.size(); ++i) {
      if (std::holds_alternative<Action>(world.log[i])) return i;
    }
    ADD_FAILURE() << "never happened";
    return 0;
  }
  template <typename Action>
  std::size_t told() const {
    return world.all<Action>().size();
  }
  void answer_queues(std::uint64_t queued, std::uint64_t half_open) {
    world.answers.clear();
    world.feed(QueuesMeasured{queued, half_open});
  }
  const Exit& exit() const { return std::get<Exit>(world.log.back()); }

  FleetWorld world;
};

TEST_F(FleetStopTest, GoesDoorDrainQueueListenersShutExit) {
  world.feed(StopRequested{});
  world.settle();
  EXPECT_LT(position<CloseTheDoor>(), position<TellDrain>());
  EXPECT_LT(position<TellDrain>(), position<MeasureQueues>());
  EXPECT_LT(position<MeasureQueues>(), position<TellCloseListeners>());
  EXPECT_LT(position<TellCloseListeners>(), position<ShutListeners>());
  EXPECT_LT(position<ShutListeners>(), position<Exit>());
  EXPECT_EQ(exit().code, ExitCode::Ok);
  EXPECT_EQ(world.number("stopped", "served"), 6U);
}

TEST_F(FleetStopTest, ALameDuckServesOnBeforeTheDoorIsClosed) {
  world.fleet.policy.lame_duck = Millis{5'000};
  world.feed(StopRequested{});
  EXPECT_EQ(told<TellLameDuck>(), 2U);
  EXPECT_EQ(world.number("stopping", "lame_duck_ms"), 5'000U);
  world.settle();
  world.advance(Millis{4'999});
  EXPECT_EQ(told<CloseTheDoor>() + told<TellDrain>(), 0U);
  EXPECT_EQ(world.accepting(kFirst), 2U);
  world.advance(Millis{1});
  EXPECT_EQ(told<CloseTheDoor>(), 1U);
  EXPECT_EQ(told<TellDrain>(), 2U);
  world.settle();
  EXPECT_EQ(exit().code, ExitCode::Ok);
  EXPECT_EQ(world.number("stopped", "served"), 6U);
}

TEST_F(FleetStopTest, ASecondRequestEndsALameDuckAtOnce) {
  world.fleet.policy.lame_duck = Millis{5'000};
  world.feed(StopRequested{});
  world.feed(StopRequested{});
  EXPECT_EQ(told<ShutListeners>(), 1U);
  world.advance(kLastWordsWithin);
  EXPECT_EQ(told<KillWorker>(), 2U);
  for (const WorkerId id : world.of(kFirst)) world.die(id, {SIGKILL, 0});
  EXPECT_TRUE(world.fleet.finished);
}

TEST_F(FleetStopTest, WhatACondemnedWorkerSaysDoesNotSaveIt) {
  world.fleet.policy.lame_duck = Millis{5'000};
  world.feed(ReloadRequested{});
  world.feed(world.answers.at(0));
  world.answers.clear();
  for (int i = 0; i < 2; ++i) {
    for (const WorkerId id : world.of(kSecond)) world.work(id);
  }
  const WorkerId opening = world.of(kSecond)[0];
  ASSERT_EQ(world.worker(opening).phase, WorkerPhase::Opening);
  world.feed(StopRequested{});
  world.feed(StopRequested{});
  world.feed(WorkerAccepted{opening});
  world.feed(WorkerBeganDrain{world.of(kFirst)[0], DrainReason::Operator});
  world.advance(kLastWordsWithin);
  EXPECT_EQ(told<KillWorker>(), 4U);
}

TEST_F(FleetStopTest, NothingIsStartedInALameDuckAndNobodyLeftEndsIt) {
  world.fleet.policy.lame_duck = Millis{5'000};
  world.feed(StopRequested{});
  const std::size_t started = told<StartWorker>();
  world.feed(ReloadRequested{});
  world.die(world.of(kFirst)[0]);
  EXPECT_EQ(told<CloseTheDoor>(), 0U);
  world.die(world.of(kFirst)[0]);
  EXPECT_EQ(told<CloseTheDoor>(), 1U) << "the queue would wait for nobody";
  EXPECT_TRUE(world.fleet.finished);
  EXPECT_EQ(told<StartWorker>(), started);
}

TEST_F(FleetStopTest, InALameDuckEveryWorkerOfAReloadAccepts) {
  world.fleet.policy.lame_duck = Millis{5'000};
  world.feed(ReloadRequested{});
  world.feed(world.answers.at(0));
  world.answers.clear();
  for (int i = 0; i < 3; ++i) {
    for (const WorkerId id : world.of(kSecond)) world.work(id);
  }
  world.work(world.of(kFirst)[0]);
  world.feed(StopRequested{});
  EXPECT_EQ(told<TellLameDuck>(), 4U);
  world.settle();
  EXPECT_EQ(world.accepting(kFirst) + world.accepting(kSecond), 4U);
  EXPECT_EQ(world.reports("reload_failed"), 1U);
  world.advance(Millis{5'000});
  world.settle();
  EXPECT_EQ(exit().code, ExitCode::Ok);
}

TEST_F(FleetStopTest, AFleetThatNeverServedHasNoLameDuck) {
  FleetPolicy policy = plain_policy();
  policy.lame_duck = Millis{5'000};
  world = FleetWorld(policy);
  world.feed(Started{});
  world.feed(StopRequested{});
  EXPECT_EQ(told<CloseTheDoor>(), 1U);
  EXPECT_EQ(world.number("stopping", "lame_duck_ms"), 0U);
}

TEST_F(FleetStopTest, ListenersStayOpenWhileClientsWaitInTheQueue) {
  world.feed(StopRequested{});
  answer_queues(5, 0);
  EXPECT_EQ(told<TellCloseListeners>(), 0U);
  answer_queues(0, 1);
  EXPECT_EQ(told<TellCloseListeners>(), 0U) << "a handshake is under way";
  answer_queues(0, 0);
  EXPECT_EQ(told<TellCloseListeners>(), 2U);
}

TEST_F(FleetStopTest, TheQueueIsMeasuredEveryTwoMilliseconds) {
  world.feed(StopRequested{});
  answer_queues(1, 0);
  const std::size_t before = told<MeasureQueues>();
  world.now += kQueueCheckEvery;
  world.fire();
  EXPECT_EQ(told<MeasureQueues>(), before + 1);
}

TEST_F(FleetStopTest, AHandshakeThatNeverEndsIsAwaitedForSynWait) {
  world.queues = {0, 1};
  world.feed(StopRequested{});
  world.settle();
  world.advance(world.fleet.policy.syn_wait);
  EXPECT_EQ(world.number("queues_not_empty", "half_open"), 1U);
  EXPECT_EQ(told<TellCloseListeners>(), 2U);
}

TEST_F(FleetStopTest, AQueueThatGetsShorterIsAwaitedLonger) {
  world.feed(StopRequested{});
  for (std::uint64_t queued = 20; queued > 0; --queued) {
    answer_queues(queued, 0);
    world.now += Millis{300};
    world.fire();
    ASSERT_EQ(told<TellCloseListeners>(), 0U);
  }
  answer_queues(0, 0);
  EXPECT_EQ(told<TellCloseListeners>(), 2U);
  EXPECT_EQ(world.reports("queues_not_empty"), 0U);
}

TEST_F(FleetStopTest, AWorkerThatDoesNotCloseItsListenersIsAwaitedForTwoSeconds) {
  world.feed(StopRequested{});
  answer_queues(0, 0);
  world.feed(WorkerClosedListeners{world.of(kFirst)[0]});
  EXPECT_EQ(told<ShutListeners>(), 0U);
  world.advance(kListenersClosedWithin);
  EXPECT_EQ(world.number("listeners_not_closed", "workers"), 1U);
  EXPECT_EQ(told<ShutListeners>(), 1U);
}

TEST_F(FleetStopTest, WhenAllWorkersDieTheListenersAreShutAtOnce) {
  world.feed(StopRequested{});
  answer_queues(9, 0);
  for (const WorkerId id : world.of(kFirst)) world.die(id);
  EXPECT_TRUE(world.fleet.finished);
}

TEST_F(FleetStopTest, ADrainThatTakesTooLongIsKilledWithItsCounts) {
  const WorkerId slow = world.of(kFirst)[0];
  world.feed(StopRequested{});
  answer_queues(0, 0);
  world.feed(WorkerLoadChanged{slow, 7, 3});
  world.advance(world.fleet.policy.stop_timeout + world.fleet.policy.kill_timeout);
  EXPECT_EQ(told<KillWorker>(), 2U);
  for (const WorkerId id : world.of(kFirst)) world.die(id, {SIGKILL, 0});
  EXPECT_EQ(world.number("stopped", "cut"), 3U);
  EXPECT_EQ(world.number("stopped", "killed"), 2U);
  EXPECT_EQ(exit().code, ExitCode::Ok);
}

TEST_F(FleetStopTest, AWorkerMayDrainUntilStopTimeoutMaxBeforeItIsKilled) {
  world.fleet.policy.stop_timeout_max = world.fleet.policy.stop_timeout + Millis{30'000};
  world.feed(StopRequested{});
  EXPECT_EQ(world.all<TellDrain>().back().stop_timeout_max, world.fleet.policy.stop_timeout_max);
  answer_queues(0, 0);
  world.advance(world.fleet.policy.stop_timeout_max + world.fleet.policy.kill_timeout - Millis{1});
  EXPECT_EQ(told<KillWorker>(), 0U);
  world.advance(Millis{1});
  EXPECT_EQ(told<KillWorker>(), 2U);
}

TEST_F(FleetStopTest, TheReportHasEachCauseOfACut) {
  const std::vector<WorkerId> ids = world.of(kFirst);
  world.fleet.policy.lame_duck = Millis{1'000};
  world.feed(StopRequested{});
  world.queues = {3, 2};  // nobody takes them
  world.advance(Millis{1'000} + world.fleet.policy.syn_wait);
  world.feed(WorkerDrained{ids[0], Drained{5, 0, 7, 4, 0, 1, 6}});
  world.die(ids[0], {});
  world.feed(WorkerLoadChanged{ids[1], 9, 8});
  world.advance(world.fleet.policy.stop_timeout + world.fleet.policy.kill_timeout);
  world.die(ids[1], {SIGKILL, 0});
  const std::vector<std::pair<const char*, std::uint64_t>> expected{{"served", 5},
                                                                    {"handed_off", 0},
                                                                    {"closed_idle", 7},
                                                                    {"refused", 3 + 2 + 6},
                                                                    {"cut", 12},
                                                                    {"cut_at_stop_timeout", 3},
                                                                    {"cut_at_stop_timeout_max", 1},
                                                                    {"cut_by_kill", 8},
                                                                    {"killed", 1}};
  for (const auto& [field, value] : expected)
    EXPECT_EQ(world.number("stopped", field), value) << field;
  EXPECT_EQ(world.number("stopped", "stop_ms"), world.number("stopped", "drain_ms") + 1'000);
  EXPECT_EQ(world.reports("stopped"), 1U);
}

TEST_F(FleetStopTest, ASecondRequestAsksWhatItCutsAndKills) {
  const std::vector<WorkerId> ids = world.of(kFirst);
  world.feed(StopRequested{});
  world.feed(StopRequested{});
  EXPECT_EQ(told<KillWorker>(), 0U);
  world.feed(WorkerLoadChanged{ids[0], 5, 2});
  EXPECT_EQ(told<KillWorker>(), 1U);
  world.advance(kLastWordsWithin);
  EXPECT_EQ(told<KillWorker>(), 2U) << "the other one is silent";
  for (const WorkerId id : ids) world.die(id, {SIGKILL, 0});
  EXPECT_EQ(world.number("stopped", "cut"), 2U);
  EXPECT_EQ(exit().code, ExitCode::Ok);
}

TEST_F(FleetStopTest, AThirdRequestChangesNothing) {
  world.feed(StopRequested{});
  world.feed(StopRequested{});
  const std::size_t actions = world.log.size();
  world.feed(StopRequested{});
  EXPECT_EQ(world.log.size(), actions);
}

TEST_F(FleetStopTest, DuringThePauseEveryWorkerOfBothGenerationsAccepts) {
  world.feed(ReloadRequested{});
  world.feed(world.answers.at(0));
  world.answers.clear();
  for (int i = 0; i < 3; ++i) {
    for (const WorkerId id : world.of(kSecond)) world.work(id);
  }
  ASSERT_EQ(world.fleet.candidate->phase, ReloadPhase::Pausing);
  world.work(world.of(kFirst)[0]);
  const std::size_t before = told<TellAccept>();
  world.feed(StopRequested{});
  EXPECT_EQ(told<TellAccept>() - before, 2U) << "the paused one and the pausing one";
  EXPECT_EQ(world.in(WorkerPhase::Draining).size(), 4U);
  EXPECT_FALSE(world.fleet.candidate);
  EXPECT_EQ(world.reports("reload_failed"), 1U);
  world.settle();
  EXPECT_EQ(exit().code, ExitCode::Ok);
}

TEST_F(FleetStopTest, ACandidateThatIsReadyAcceptsToo) {
  world.feed(ReloadRequested{});
  world.feed(world.answers.at(0));
  world.answers.clear();
  const WorkerId ready = world.of(kSecond)[0];
  world.work(ready);
  world.work(ready);
  world.feed(StopRequested{});
  EXPECT_EQ(world.all<TellAccept>().back().worker, ready);
  EXPECT_EQ(world.in(WorkerPhase::Terminating).size(), 1U) << "the one that was not ready";
}

TEST_F(FleetStopTest, AnEarlierDrainDeadlineWins) {
  world.feed(ReloadRequested{});
  while (world.fleet.serving == kFirst) {
    for (const FleetEvent& answer : std::exchange(world.answers, {})) world.feed(answer);
    for (const Worker& worker : std::vector<Worker>(world.fleet.workers)) world.work(worker.id);
  }
  const WorkerId old = world.of(kFirst)[0];
  const TimePoint deadline = *world.worker(old).deadline;
  world.now += Millis{5'000};
  world.feed(StopRequested{});
  EXPECT_EQ(world.worker(old).deadline, deadline);
}

TEST_F(FleetStopTest, NothingIsStartedAfterwards) {
  world.feed(StopRequested{});
  const std::size_t started = told<StartWorker>();
  world.feed(ReloadRequested{});
  world.feed(ScaleRequested{+1});
  world.die(world.of(kFirst)[0]);
  world.advance(Millis{5'000});
  EXPECT_EQ(told<StartWorker>(), started);
}

TEST_F(FleetStopTest, AProcessThatNotEvenSigkillEndsIsReportedAndLeft) {
  world.feed(StopRequested{});
  world.feed(StopRequested{});
  world.advance(kLastWordsWithin + kKillTakesEffect);
  EXPECT_EQ(world.reports("worker_stuck"), 2U);
  EXPECT_TRUE(world.fleet.finished);
}

}  // namespace
}  // namespace holdfast::supervisor
