#include <algorithm>

#include <gtest/gtest.h>

#include "tests/unit/supervisor/fleet_world.hpp"

namespace holdfast::supervisor {
namespace {

constexpr GenerationId kFirst{1};
constexpr GenerationId kSecond{2};
constexpr GenerationId kThird{3};

class FleetReloadTest : public ::testing::Test {
 protected:
  FleetReloadTest() { serve(2); }
  void TearDown() override {
    for (const std::string& broken : world.broken_laws) ADD_FAILURE() << broken;
  }

  static FleetPolicy policy(std::size_t workers) {
    FleetPolicy policy = plain_policy();
    policy.workers = workers;
    return policy;
  }
  void serve(std::size_t workers) {
    world = FleetWorld(policy(workers));
    world.start();
    ASSERT_EQ(world.fleet.serving, kFirst);
  }
  // Up to the moment when the candidate's processes run and have said nothing.
  void begin_reload() {
    world.feed(ReloadRequested{});
    const FleetEvent answer = world.answers.at(0);
    world.answers.clear();
    world.feed(answer);
  }
  // The candidate is ready; nobody has answered `accept`.
  void open_candidate() {
    begin_reload();
    for (const WorkerId id : candidate()) {
      world.work(id);
      world.work(id);
    }
  }
  // The candidate accepts; nobody has answered `pause`.
  void pause_old() {
    open_candidate();
    for (const WorkerId id : candidate()) world.work(id);
  }
  std::vector<WorkerId> candidate() const { return world.of(world.fleet.candidate->id); }

  template <typename Action>
  std::size_t told() const {
    return world.all<Action>().size();
  }

  FleetWorld world;
};

TEST_F(FleetReloadTest, CommitsAndDrainsTheOldGeneration) {
  world.feed(ReloadRequested{});
  world.settle();
  EXPECT_EQ(world.fleet.serving, kSecond);
  EXPECT_EQ(world.accepting(kSecond), 2U);
  EXPECT_TRUE(world.of(kFirst).empty());
  EXPECT_EQ(world.number("reload_done", "generation"), 2U);
  EXPECT_EQ(world.number("generation_drained", "served"), 6U);
  EXPECT_FALSE(world.fleet.wake_at) << "an idle fleet needs no timer";
}

TEST_F(FleetReloadTest, EndsWithOneReportThatHasTheTimesOfTheReloadAndTheDrain) {
  world.feed(ReloadRequested{});
  world.now += Millis{40};
  while (world.fleet.serving == kFirst) {
    for (const FleetEvent& answer : std::exchange(world.answers, {})) world.feed(answer);
    for (const Worker& worker : std::vector<Worker>(world.fleet.workers)) world.work(worker.id);
  }
  EXPECT_EQ(world.reports("generation_drained"), 0U);
  world.now += Millis{700};
  world.settle();
  EXPECT_EQ(world.reports("generation_drained"), 1U);
  EXPECT_EQ(world.number("generation_drained", "generation"), 1U);
  EXPECT_EQ(world.number("generation_drained", "ready_ms"), 40U);
  EXPECT_EQ(world.number("generation_drained", "drain_ms"), 700U);
}

TEST_F(FleetReloadTest, EndsWithAReportAlsoWhenNoOldWorkerLivedToDrain) {
  pause_old();
  for (const WorkerId id : world.of(kFirst)) world.die(id);
  EXPECT_EQ(world.reports("reload_done"), 1U);
  EXPECT_EQ(world.reports("generation_drained"), 1U);
  EXPECT_EQ(world.number("generation_drained", "served"), 0U);
}

TEST_F(FleetReloadTest, StartsNothingBeforeTheCommandIsFound) {
  world.feed(ReloadRequested{});
  EXPECT_EQ(world.fleet.workers.size(), 2U);
  EXPECT_EQ(told<PrepareGeneration>(), 2U);
}

TEST_F(FleetReloadTest, AMissingCommandFailsWithoutStartingAnything) {
  world.refuse_commands = true;
  const std::size_t started = told<StartWorker>();
  world.feed(ReloadRequested{});
  world.settle();
  EXPECT_EQ(told<StartWorker>(), started);
  EXPECT_EQ(world.text("reload_failed", "reason"), "cannot run x: no");
  EXPECT_EQ(world.reports("rolled_back"), 1U);
  EXPECT_EQ(world.fleet.serving, kFirst);
}

TEST_F(FleetReloadTest, NobodyAcceptsBeforeTheWholeCandidateIsReady) {
  begin_reload();
  world.work(candidate()[0]);
  world.work(candidate()[0]);
  EXPECT_EQ(world.worker(candidate()[0]).phase, WorkerPhase::Ready);
  world.work(candidate()[1]);
  world.work(candidate()[1]);
  EXPECT_EQ(world.in(WorkerPhase::Opening).size(), 2U);
}

TEST_F(FleetReloadTest, OldWorkersPauseOnlyAfterTheWholeCandidateAccepts) {
  open_candidate();
  world.work(candidate()[0]);
  EXPECT_EQ(told<TellPause>(), 0U);
  world.work(candidate()[1]);
  EXPECT_EQ(told<TellPause>(), 2U);
  EXPECT_EQ(world.fleet.serving, kFirst) << "no commit before they answered";
}

TEST_F(FleetReloadTest, AnOldWorkerThatDoesNotPauseIsNotWaitedForLongerThanPauseTimeout) {
  pause_old();
  world.advance(world.fleet.policy.pause_timeout);
  EXPECT_EQ(world.fleet.serving, kSecond);
  EXPECT_EQ(world.number("pause_timed_out", "unpaused"), 2U);
}

TEST_F(FleetReloadTest, OldWorkersThatAllDieWhilePausingAreACommit) {
  pause_old();
  for (const WorkerId id : world.of(kFirst)) world.die(id);
  EXPECT_EQ(world.fleet.serving, kSecond);
  EXPECT_EQ(world.of(kFirst).size(), 0U) << "and nobody replaces them";
}

TEST_F(FleetReloadTest, HandoffConnectsEveryOldWorkerWithEveryNewOneBeforeItDrains) {
  world.fleet.policy.idle = IdlePolicy::Handoff;
  world.feed(ReloadRequested{});
  world.settle();
  EXPECT_EQ(told<ConnectPeers>(), 4U);
  std::map<WorkerId, std::size_t> takers;
  for (const FleetAction& action : world.log) {
    if (const auto* pair = std::get_if<ConnectPeers>(&action)) ++takers[pair->giver];
    if (const auto* drain = std::get_if<TellDrain>(&action)) {
      EXPECT_EQ(drain->idle, IdlePolicy::Handoff);
      EXPECT_EQ(takers[drain->worker], 2U) << "before the drain";
    }
  }
}

TEST_F(FleetReloadTest, WhoStillGivesIsConnectedWithEachNewerGenerationAndWithWhoIsRespawned) {
  world.fleet.policy.idle = IdlePolicy::Handoff;
  const auto commit = [&](GenerationId old) {
    pause_old();
    for (const WorkerId id : world.of(old)) world.work(id);
  };
  const auto connected = [&](GenerationId from, GenerationId to) {
    return std::ranges::count_if(world.all<ConnectPeers>(), [&](const ConnectPeers& pair) {
      return world.workers.at(pair.giver).generation == from &&
             world.workers.at(pair.taker).generation == to;
    });
  };
  commit(kFirst);
  commit(kSecond);
  ASSERT_EQ(world.fleet.serving, kThird);
  EXPECT_EQ(connected(kFirst, kSecond), 4);
  EXPECT_EQ(connected(kFirst, kThird), 4);
  EXPECT_EQ(connected(kSecond, kThird), 4);
  const std::size_t before = told<ConnectPeers>();
  world.die(world.of(kThird)[0]);
  for (int i = 0; i < 3; ++i) world.work(world.of(kThird)[1]);
  EXPECT_EQ(told<ConnectPeers>(), before + 4) << "all old ones with the new one";
}

TEST_F(FleetReloadTest, WorkersWithoutACommonRecordCloseWhatIsIdle) {
  world.fleet.policy.idle = IdlePolicy::Handoff;
  for (const auto newer : {std::optional<ProtocolRange>(), std::optional<ProtocolRange>({2, 3})}) {
    world.handoff = newer;
    world.feed(ReloadRequested{});
    world.settle();
    EXPECT_EQ(told<ConnectPeers>(), 0U);
    for (const TellDrain& drain : world.all<TellDrain>()) EXPECT_EQ(drain.idle, IdlePolicy::Close);
    world.handoff = kHandoffRecords;
  }
}

TEST_F(FleetReloadTest, AFullStopHandsNothingOff) {
  world.fleet.policy.idle = IdlePolicy::Handoff;
  world.feed(StopRequested{});
  EXPECT_EQ(told<ConnectPeers>(), 0U);
  for (const TellDrain& drain : world.all<TellDrain>()) EXPECT_EQ(drain.idle, IdlePolicy::Close);
}

TEST_F(FleetReloadTest, FailedCandidateLeavesServingGenerationAlone) {
  begin_reload();
  const std::vector<FleetAction> before = world.log;
  world.die(candidate()[0], {{}, 3});
  EXPECT_EQ(world.fleet.serving, kFirst);
  EXPECT_EQ(world.accepting(kFirst), 2U);
  for (const TellDrain& drain : world.all<TellDrain>()) {
    EXPECT_NE(world.worker(drain.worker).generation, kFirst);
  }
  EXPECT_EQ(world.number("reload_failed", "exit_code"), 3U);
  EXPECT_TRUE(world.last_report("reload_failed").with_stderr_tail);
  EXPECT_EQ(world.all<TerminateWorker>().size(), 1U) << "the other candidate";
}

TEST_F(FleetReloadTest, ACandidateThatIsNotReadyInTimeIsRolledBackAndKilled) {
  begin_reload();
  world.advance(world.fleet.policy.ready_timeout);
  EXPECT_EQ(world.text("reload_failed", "reason"), "0 of 2 workers ready within 1m");
  EXPECT_EQ(world.in(WorkerPhase::Terminating).size(), 2U);
  world.advance(world.fleet.policy.kill_timeout);
  EXPECT_EQ(told<KillWorker>(), 2U);
  EXPECT_EQ(world.reports("worker_killed"), 2U);
}

TEST_F(FleetReloadTest, ACandidateThatDoesNotAcceptInTimeIsRolledBack) {
  open_candidate();
  world.work(candidate()[0]);
  world.advance(world.fleet.policy.ready_timeout);
  EXPECT_EQ(world.text("reload_failed", "reason"), "1 of 2 workers accepting within 1m");
  EXPECT_EQ(world.accepting(kFirst), 2U);
}

TEST_F(FleetReloadTest, ACandidateThatDiesDuringThePauseGivesThePlaceBackFirst) {
  pause_old();
  world.work(world.of(kFirst)[0]);  // one has paused, one has not
  const std::size_t before = world.log.size();
  world.die(candidate()[0]);
  std::vector<std::string> order;
  for (std::size_t i = before; i < world.log.size(); ++i) {
    if (std::holds_alternative<TellAccept>(world.log[i])) order.push_back("accept");
    if (const auto* drain = std::get_if<TellDrain>(&world.log[i])) {
      order.push_back(std::string(to_string(drain->reason)));
    }
  }
  EXPECT_EQ(order, (std::vector<std::string>{"accept", "accept", "rollback"}));
  EXPECT_EQ(world.reports("rolled_back"), 0U) << "not before they accept again";
  world.settle();
  EXPECT_EQ(world.reports("rolled_back"), 1U);
  EXPECT_EQ(world.accepting(kFirst), 2U);
  EXPECT_EQ(world.fleet.workers.size(), 2U);
}

TEST_F(FleetReloadTest, ACandidateThatBeginsToDrainFailsTheReload) {
  open_candidate();
  world.feed(WorkerBeganDrain{candidate()[0], DrainReason::Recycle});
  EXPECT_EQ(world.reports("reload_failed"), 1U);
  world.settle();
  EXPECT_EQ(world.accepting(kFirst), 2U);
}

TEST_F(FleetReloadTest, ACandidateThatCannotBeStartedFailsTheReload) {
  begin_reload();
  world.feed(WorkerNotStarted{candidate()[1], "cannot run x: Exec format error"});
  EXPECT_EQ(world.text("reload_failed", "reason"), "cannot run x: Exec format error");
  world.settle();
  EXPECT_EQ(world.fleet.workers.size(), 2U);
}

TEST_F(FleetReloadTest, AFailedGenerationConsumesItsNumber) {
  begin_reload();
  world.die(candidate()[0]);
  world.settle();
  world.feed(ReloadRequested{});
  world.settle();
  EXPECT_EQ(world.fleet.serving, kThird);
}

TEST_F(FleetReloadTest, RequestsDuringAReloadAreOneMoreReload) {
  begin_reload();
  for (int i = 0; i < 5; ++i) world.feed(ReloadRequested{});
  EXPECT_EQ(world.reports("reload_queued"), 1U);
  world.settle();
  EXPECT_EQ(world.fleet.serving, kThird);
  EXPECT_EQ(world.reports("reload_done"), 2U);
}

TEST_F(FleetReloadTest, ARequestDuringAFailingReloadStillRuns) {
  begin_reload();
  world.feed(ReloadRequested{});
  world.die(candidate()[0]);
  world.settle();
  EXPECT_EQ(world.fleet.serving, kThird);
}

TEST_F(FleetReloadTest, WaitsWhileTooManyOldGenerationsDrain) {
  for (int i = 0; i < 4; ++i) {
    world.feed(ReloadRequested{});
    const GenerationId old = *world.fleet.serving;
    while (world.fleet.serving == old) {
      // Everybody works but for the drains, which take long.
      std::vector<FleetEvent> answers;
      answers.swap(world.answers);
      for (const FleetEvent& answer : answers) world.feed(answer);
      for (const WorkerId id : world.of(world.fleet.candidate ? world.fleet.candidate->id : old)) {
        world.work(id);
      }
      if (world.fleet.candidate && world.fleet.candidate->phase == ReloadPhase::Pausing) {
        for (const WorkerId id : world.of(old)) world.work(id);
      }
    }
  }
  ASSERT_EQ(world.fleet.retired.size(), 4U);
  world.feed(ReloadRequested{});
  world.feed(ReloadRequested{});
  EXPECT_EQ(world.reports("reload_waiting"), 1U);
  EXPECT_FALSE(world.fleet.candidate);
  for (const WorkerId id : world.of(kFirst)) world.end_quietly(id);
  EXPECT_TRUE(world.fleet.candidate) << "one generation is gone";
}

TEST_F(FleetReloadTest, ARespawnDuringAReloadIsOfTheServingGeneration) {
  begin_reload();
  world.die(world.of(kFirst)[0]);
  EXPECT_EQ(world.all<StartWorker>().back().generation, kFirst);
}

TEST_F(FleetReloadTest, ARespawnThatGetsReadyDuringThePauseDoesNotAccept) {
  begin_reload();
  world.die(world.of(kFirst)[0]);
  const WorkerId fresh = world.all<StartWorker>().back().worker;
  for (int i = 0; i < 3; ++i) {
    for (const WorkerId id : candidate()) world.work(id);
  }
  ASSERT_EQ(world.fleet.candidate->phase, ReloadPhase::Pausing);
  world.work(fresh);
  world.work(fresh);
  EXPECT_EQ(world.worker(fresh).phase, WorkerPhase::Ready);
  world.settle();
  EXPECT_EQ(world.fleet.serving, kSecond);
  EXPECT_EQ(world.fleet.workers.size(), 2U);
}

TEST_F(FleetReloadTest, WhenNobodyServesAFailedReloadRespawnsTheOldGenerationAtOnce) {
  begin_reload();
  // Their back-off has grown, so the next replacement is seconds away.
  for (int i = 0; i < 5; ++i) {
    for (const WorkerId id : world.of(kFirst)) world.die(id);
    world.advance(Millis{1'000});
  }
  for (const WorkerId id : world.of(kFirst)) world.die(id);
  ASSERT_TRUE(world.of(kFirst).empty());
  world.die(candidate()[0]);
  EXPECT_EQ(world.of(kFirst).size(), 2U);
}

TEST_F(FleetReloadTest, TheCommandOfAFailedGenerationIsForgottenAndTheServingOnesKept) {
  begin_reload();
  world.die(candidate()[0]);
  const auto forgotten = world.all<ForgetGeneration>();
  ASSERT_EQ(forgotten.size(), 1U);
  EXPECT_EQ(forgotten[0].generation, kSecond);
}

}  // namespace
}  // namespace holdfast::supervisor
