// Promise 2, while the new version already has traffic: what fails a candidate, what does not, and
// that the old generation accepts again before anything else happens.
#include <gtest/gtest.h>

#include "tests/unit/supervisor/fleet_world.hpp"

namespace holdfast::supervisor {
namespace {

FleetPolicy with_probation() {
  FleetPolicy policy = plain_policy();
  policy.workers = 2;
  policy.probation = 1s;
  return policy;
}

constexpr GenerationId kOld{1};
constexpr GenerationId kNew{2};

// Both new workers (3 and 4) accept, both old ones (1 and 2) are paused.
FleetWorld in_probation(FleetPolicy policy = with_probation()) {
  FleetWorld world(policy);
  world.start();
  world.feed(ReloadRequested{7});
  world.settle();
  return world;
}

void says(FleetWorld& world, WorkerId id, std::uint64_t requests, std::uint64_t errors) {
  world.feed(WorkerLoadChanged{id, 1, 0, requests, errors});
}

void end_probation(FleetWorld& world) {
  world.advance(world.fleet.policy.probation);
  world.settle();
}

std::vector<ReloadOutcome> outcomes(const FleetWorld& world) {
  std::vector<ReloadOutcome> found;
  for (const SettleReload& settled : world.all<SettleReload>()) found.push_back(settled.outcome);
  return found;
}

void expect_rolled_back(FleetWorld& world) {
  EXPECT_EQ(world.reports("reload_done"), 0U);
  EXPECT_EQ(world.fleet.serving, kOld);
  world.settle();
  EXPECT_EQ(world.accepting(kOld), 2U);
  EXPECT_EQ(world.reports("rolled_back"), 1U);
  EXPECT_EQ(outcomes(world), std::vector{ReloadOutcome::Failed});
  EXPECT_TRUE(world.broken_laws.empty()) << world.broken_laws.front();
}

TEST(FleetProbationTest, NothingIsDecidedBeforeItsTimeIsOver) {
  FleetWorld world = in_probation();
  EXPECT_EQ(world.fleet.candidate->phase, ReloadPhase::Probation);
  EXPECT_EQ(world.in(WorkerPhase::Paused).size(), 2U);
  world.advance(999ms);
  EXPECT_TRUE(world.fleet.candidate);
  EXPECT_TRUE(outcomes(world).empty());
  world.advance(1ms);
  world.settle();
  EXPECT_EQ(world.fleet.serving, kNew);
  EXPECT_EQ(outcomes(world), (std::vector{ReloadOutcome::Committed, ReloadOutcome::Drained}));
}

TEST(FleetProbationTest, BothSidesAreAskedForTheirNumbersTenTimesASecond) {
  FleetWorld world = in_probation();
  const std::size_t before = world.all<AskStats>().size();
  world.advance(500ms);
  EXPECT_EQ(world.all<AskStats>().size(), before + 5 * 4);
}

TEST(FleetProbationTest, TheLastNumbersAreReceivedBeforeTheVerdict) {
  FleetWorld world = in_probation();
  world.advance(1s);
  EXPECT_EQ(world.fleet.candidate->phase, ReloadPhase::Judging);
  world.work(WorkerId{3});
  EXPECT_TRUE(world.fleet.candidate);
  says(world, WorkerId{4}, 40, 40);
  expect_rolled_back(world);
}

TEST(FleetProbationTest, ASilentCandidateFails) {
  FleetWorld world = in_probation();
  world.advance(1s);
  world.work(WorkerId{3});
  world.advance(kVerdictWithin);
  EXPECT_EQ(world.text("reload_failed", "reason"), "a worker did not answer within 5s");
  EXPECT_EQ(world.last_report("reload_failed").worker, WorkerId{4});
  ASSERT_EQ(world.all<AbortWorker>().size(), 1U) << "a drain would wait for it for minutes";
  EXPECT_EQ(world.all<AbortWorker>()[0].worker, WorkerId{4});
  expect_rolled_back(world);
}

TEST(FleetProbationTest, ACrashRollsBackAndTheOldOnesAcceptFirst) {
  FleetWorld world = in_probation();
  const std::size_t before = world.log.size();
  world.die(WorkerId{3});
  std::size_t accepts = 0;
  for (std::size_t i = before; i < world.log.size(); ++i) {
    if (std::holds_alternative<TellAccept>(world.log[i])) ++accepts;
    if (std::holds_alternative<TellDrain>(world.log[i])) {
      EXPECT_EQ(accepts, 2U);
    }
  }
  EXPECT_EQ(accepts, 2U);
  EXPECT_EQ(world.text("reload_failed", "phase"), "probation");
  EXPECT_EQ(world.number("reload_failed", "signal"), static_cast<std::uint64_t>(SIGSEGV));
  expect_rolled_back(world);
}

TEST(FleetProbationTest, ManyErrorsRollBackBeforeTheTimeIsOver) {
  FleetWorld world = in_probation();
  says(world, WorkerId{1}, 100, 1);
  says(world, WorkerId{3}, 10, 8);
  EXPECT_TRUE(world.fleet.candidate) << "ten requests say too little";
  says(world, WorkerId{4}, 12, 9);
  EXPECT_EQ(world.text("reload_failed", "reason"),
            "it answered 17 of 22 requests with 5xx (the old generation 1 of 100 in its last "
            "minute)");
  expect_rolled_back(world);
}

TEST(FleetProbationTest, HalfOfTheResponsesMayBeErrors) {
  FleetWorld world = in_probation();
  says(world, WorkerId{3}, 40, 20);
  EXPECT_TRUE(world.fleet.candidate);
  end_probation(world);
  EXPECT_EQ(world.fleet.serving, kNew);
}

TEST(FleetProbationTest, AServiceThatFailsAnywayCanDeployItsFix) {
  FleetWorld world(with_probation());
  world.start();
  says(world, WorkerId{1}, 1'000, 600);
  world.feed(ReloadRequested{});
  world.settle();
  says(world, WorkerId{3}, 100, 62);
  end_probation(world);
  EXPECT_EQ(world.fleet.serving, kNew);
}

TEST(FleetProbationTest, WorseThanABadServiceIsStillWorse) {
  FleetWorld world(with_probation());
  world.start();
  says(world, WorkerId{1}, 1'000, 600);
  world.feed(ReloadRequested{7});
  world.settle();
  says(world, WorkerId{3}, 100, 90);
  expect_rolled_back(world);
}

TEST(FleetProbationTest, OnlyTheLastMinuteOfTheOldOnesCounts) {
  FleetWorld world(with_probation());
  world.start();
  says(world, WorkerId{1}, 1'000, 1'000);
  world.advance(61s);
  says(world, WorkerId{1}, 2'000, 1'000);
  world.feed(ReloadRequested{7});
  world.settle();
  says(world, WorkerId{3}, 100, 60);
  expect_rolled_back(world);
}

TEST(FleetProbationTest, TheShareThatIsTooMuchCanBeChosen) {
  FleetPolicy policy = with_probation();
  policy.probation_errors = 5;
  FleetWorld world = in_probation(policy);
  says(world, WorkerId{3}, 100, 5);
  EXPECT_TRUE(world.fleet.candidate);
  says(world, WorkerId{3}, 100, 6);
  expect_rolled_back(world);
}

TEST(FleetProbationTest, WhenEveryOldWorkerDiesItCommits) {
  FleetWorld world = in_probation();
  world.die(WorkerId{1});
  EXPECT_TRUE(world.fleet.candidate);
  world.die(WorkerId{2});
  EXPECT_EQ(world.fleet.serving, kNew);
  EXPECT_EQ(world.reports("reload_done"), 1U);
}

TEST(FleetProbationTest, AStopLetsBothGenerationsTakeTheQueue) {
  FleetWorld world = in_probation();
  world.feed(StopRequested{});
  EXPECT_EQ(outcomes(world), std::vector{ReloadOutcome::Stopped});
  for (const Worker& worker : world.fleet.workers) EXPECT_TRUE(worker.takes_the_queue);
  world.settle();
  EXPECT_TRUE(world.fleet.finished);
}

TEST(FleetProbationTest, WithoutAWayBackAFailureIsToldAndItServesOn) {
  FleetPolicy policy = with_probation();
  policy.rollback = false;
  FleetWorld world = in_probation(policy);
  world.die(WorkerId{3});
  EXPECT_EQ(world.reports("probation_failed"), 1U);
  EXPECT_EQ(world.reports("reload_failed"), 0U);
  EXPECT_EQ(world.fleet.serving, kNew);
  world.settle();
  EXPECT_EQ(world.accepting(kNew), 2U) << "the crashed one is replaced";
}

TEST(FleetProbationTest, WithoutAWayBackTheOldOnesStillSurviveWhatFailsBeforeItAccepts) {
  FleetPolicy policy = with_probation();
  policy.rollback = false;
  FleetWorld world(policy);
  world.start();
  world.feed(ReloadRequested{7});
  for (const FleetEvent& answer : std::exchange(world.answers, {})) world.feed(answer);
  world.die(WorkerId{3});
  EXPECT_EQ(world.fleet.serving, kOld);
  EXPECT_EQ(outcomes(world), std::vector{ReloadOutcome::Failed});
}

TEST(FleetProbationTest, ACanaryProvesItselfBesideTheOldOnes) {
  FleetPolicy policy = with_probation();
  policy.canary = 1;
  policy.canary_time = 10s;
  FleetWorld world = in_probation(policy);
  EXPECT_EQ(world.fleet.candidate->phase, ReloadPhase::Canary);
  EXPECT_EQ(world.of(kNew).size(), 1U);
  EXPECT_EQ(world.accepting(kOld), 2U) << "nobody is paused for a canary";
  world.advance(10s);
  world.settle();
  EXPECT_EQ(world.of(kNew).size(), 2U);
  EXPECT_EQ(world.fleet.candidate->phase, ReloadPhase::Probation);
  EXPECT_EQ(world.in(WorkerPhase::Paused).size(), 2U);
  end_probation(world);
  EXPECT_EQ(world.fleet.serving, kNew);
  EXPECT_TRUE(world.broken_laws.empty()) << world.broken_laws.front();
}

TEST(FleetProbationTest, ACanaryThatFailsDisturbsNobody) {
  FleetPolicy policy = with_probation();
  policy.canary = 1;
  FleetWorld world = in_probation(policy);
  says(world, WorkerId{3}, 30, 30);
  EXPECT_EQ(world.text("reload_failed", "phase"), "canary");
  EXPECT_EQ(world.all<TellPause>().size(), 0U);
  EXPECT_EQ(world.accepting(kOld), 2U);
}

TEST(FleetProbationTest, ManyRequestsMeanOneReloadAfterwardsAndOneVerdictEach) {
  FleetWorld world = in_probation();
  for (std::uint64_t request = 8; request < 20; ++request) world.feed(ReloadRequested{request});
  end_probation(world);
  EXPECT_EQ(world.fleet.candidate->id, GenerationId{3});
  EXPECT_EQ(world.fleet.candidate->request, 19U);
  end_probation(world);
  std::map<std::uint64_t, ReloadOutcome> first;
  for (const SettleReload& each : world.all<SettleReload>())
    first.try_emplace(each.request, each.outcome);
  EXPECT_EQ(first.size(), 13U);
  for (const auto& [request, outcome] : first) {
    const bool ran = request == 7 || request == 19;
    EXPECT_EQ(outcome, ran ? ReloadOutcome::Committed : ReloadOutcome::Superseded) << request;
  }
}

TEST(FleetProbationTest, ABadConfigurationIsRefusedAndNothingStarts) {
  FleetWorld world(with_probation());
  world.start();
  world.refuse_commands = true;
  world.feed(ReloadRequested{7});
  world.settle();
  EXPECT_EQ(outcomes(world), std::vector{ReloadOutcome::Refused});
  EXPECT_TRUE(world.of(kNew).empty());
}

TEST(FleetProbationTest, TheNewPolicyRulesOnceItServes) {
  FleetWorld world(with_probation());
  world.start();
  FleetPolicy changed = with_probation();
  changed.workers = 3;
  changed.stop_timeout = 5s;
  world.new_policy = changed;
  world.feed(ReloadRequested{});
  world.settle();
  end_probation(world);
  EXPECT_EQ(world.accepting(kNew), 3U);
  EXPECT_EQ(world.fleet.policy, changed);
  EXPECT_EQ(world.all<TellDrain>().front().stop_timeout, 60s) << "the old ones keep their rules";
}

TEST(FleetProbationTest, AFailedReloadChangesNoRuleOfTheServingOnes) {
  FleetWorld world(with_probation());
  world.start();
  FleetPolicy changed = with_probation();
  changed.workers = 3;
  world.new_policy = changed;
  world.feed(ReloadRequested{});
  world.settle();
  world.die(WorkerId{3});
  world.settle();
  EXPECT_EQ(world.fleet.policy, with_probation());
  EXPECT_EQ(world.fleet.wanted, 2U);
}

TEST(FleetProbationTest, AScaleHoldsUntilTheConfiguredNumberChanges) {
  FleetWorld world(with_probation());
  world.start();
  world.feed(ScaleRequested{0, 4});
  world.settle();
  world.new_policy = with_probation();
  world.feed(ReloadRequested{});
  world.settle();
  end_probation(world);
  EXPECT_EQ(world.accepting(kNew), 4U);
  world.new_policy->workers = 3;
  world.feed(ReloadRequested{});
  world.settle();
  end_probation(world);
  EXPECT_EQ(world.accepting(GenerationId{3}), 3U);
}

TEST(FleetListenersTest, AListenerThatIsGoneIsAcceptedFromUntilTheCommitAndThenEmptied) {
  FleetWorld world(with_probation());
  world.start();
  world.gone_listeners = {"admin"};
  world.feed(ReloadRequested{});
  world.settle();
  for (const TellPause& told : world.all<TellPause>()) EXPECT_EQ(told.except, world.gone_listeners);
  EXPECT_TRUE(world.all<CloseTheDoor>().empty());
  world.queues = {2, 0};
  world.advance(1s);
  for (const WorkerId id : world.of(kNew)) world.work(id);
  EXPECT_EQ(world.all<CloseTheDoor>().at(0).only_of, kOld);
  for (const TellDrain& told : world.all<TellDrain>())
    EXPECT_EQ(told.last_of, world.gone_listeners);
  EXPECT_TRUE(world.all<TellCloseListeners>().empty()) << "somebody waits in the queue";
  world.queues = {0, 0};
  world.advance(kQueueCheckEvery);
  world.settle();
  EXPECT_EQ(world.all<TellCloseListeners>().size(), 2U);
  EXPECT_EQ(world.all<ShutListeners>().at(0).only_of, kOld);
  EXPECT_TRUE(world.fleet.closing.empty());
  EXPECT_EQ(world.fleet.workers.size(), 2U);
  EXPECT_TRUE(world.broken_laws.empty()) << world.broken_laws.front();
}

TEST(FleetListenersTest, AQueueThatNobodyEmptiesIsGivenUpAndCounted) {
  FleetWorld world(with_probation());
  world.start();
  world.gone_listeners = {"admin"};
  world.feed(ReloadRequested{});
  world.settle();
  world.queues = {2, 1};
  world.advance(1s);
  for (const WorkerId id : world.of(kNew)) world.work(id);
  world.advance(world.fleet.policy.syn_wait);
  EXPECT_EQ(world.number("queues_not_empty", "queued"), 2U);
  world.settle();
  EXPECT_EQ(world.number("generation_drained", "refused"), 3U);
  EXPECT_EQ(world.all<ShutListeners>().size(), 1U);
}

TEST(FleetListenersTest, AListenerGivenBackIsLeftByTheCommitWithItsQueue) {
  FleetWorld world;
  world.start();
  world.gone_listeners = {"admin"};
  world.feed(ReloadRequested{});
  world.queues = {2, 0};
  world.settle();
  EXPECT_TRUE(world.all<TellCloseListeners>().empty());
  world.gone_listeners.clear();
  world.queues = {.claimed = true};
  world.advance(world.fleet.policy.syn_wait);
  EXPECT_TRUE(world.all<TellCloseListeners>().empty()) << "it may come back with who is queued";
  world.queues = {.given_back = true};
  world.feed(ReloadRequested{});
  world.settle();
  const auto told = world.all<TellCloseListeners>();
  EXPECT_EQ(told.size(), 1U);
  for (const TellCloseListeners& one : told) EXPECT_TRUE(one.given_back);
  EXPECT_TRUE(world.fleet.closing.empty());
  EXPECT_TRUE(world.broken_laws.empty()) << world.broken_laws.front();
}

TEST(FleetListenersTest, AFailedReloadClosesNone) {
  FleetWorld world(with_probation());
  world.start();
  world.gone_listeners = {"admin"};
  world.feed(ReloadRequested{});
  world.settle();
  world.die(WorkerId{3});
  world.settle();
  EXPECT_TRUE(world.all<CloseTheDoor>().empty());
  EXPECT_TRUE(world.all<ShutListeners>().empty());
}

}  // namespace
}  // namespace holdfast::supervisor
