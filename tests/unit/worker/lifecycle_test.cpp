#include "worker/core/lifecycle.hpp"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/random_lives.hpp"

namespace holdfast::worker {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{1h};

Lifecycle in(Phase phase) {
  Lifecycle state;
  state.phase = phase;
  return state;
}

WorkerStep at(const Lifecycle& state, const WorkerEvent& event, std::size_t connections = 0,
              TimePoint now = kNow) {
  return step(state, event, {now, connections});
}

template <typename Action>
bool has(const WorkerStep& got) {
  return std::any_of(got.actions.begin(), got.actions.end(), [](const WorkerAction& action) {
    return std::holds_alternative<Action>(action);
  });
}

template <typename Action>
const Action& get(const WorkerStep& got) {
  for (const WorkerAction& action : got.actions) {
    if (const auto* found = std::get_if<Action>(&action)) return *found;
  }
  throw std::logic_error("no such action");
}

TEST(LifecycleTest, ReadyIsSaidBeforeAnythingIsAccepted) {
  const WorkerStep got = at(in(Phase::Starting), Prepared{});
  EXPECT_EQ(got.next.phase, Phase::Ready);
  EXPECT_TRUE(has<SayReady>(got));
  EXPECT_FALSE(has<StartAccepting>(got));
}

TEST(LifecycleTest, AloneItAcceptsAsSoonAsItIsPrepared) {
  Lifecycle alone = in(Phase::Starting);
  alone.supervised = false;
  EXPECT_TRUE(has<StartAccepting>(at(alone, Prepared{})));
}

TEST(LifecycleTest, PausedWorkerAcceptsAgain) {
  const WorkerStep paused = at(in(Phase::Accepting), PauseTold{});
  EXPECT_TRUE(has<PauseAccepting>(paused));
  EXPECT_TRUE(has<StartAccepting>(at(paused.next, AcceptTold{})));
}

TEST(LifecycleTest, PausedWorkerGoesOnAcceptingWhereNobodyElseDoes) {
  const WorkerStep paused = at(in(Phase::Accepting), PauseTold{{"admin"}});
  EXPECT_EQ(get<PauseAccepting>(paused).except, std::vector<std::string>{"admin"});
}

TEST(LifecycleTest, LastOwnerOfAListenerAcceptsUntilToldToCloseIt) {
  const DrainTold told{DrainReason::Reload, 5s, IdlePolicy::Close, 0ms, {"admin"}};
  const WorkerStep draining = at(in(Phase::Paused), told, 0);
  EXPECT_EQ(get<KeepListening>(draining).names, std::vector<std::string>{"admin"});
  EXPECT_FALSE(has<StopListening>(draining));
  EXPECT_FALSE(has<FinishWorker>(draining)) << "clients may be in the queue";
  const WorkerStep closed = at(draining.next, CloseListenersTold{}, 0);
  EXPECT_TRUE(get<StopListening>(closed).drain_queue);
  EXPECT_TRUE(get<StopListening>(closed).announce);
  EXPECT_TRUE(has<FinishWorker>(at(closed.next, ConnectionsGone{}, 0)));
}

TEST(LifecycleTest, AListenerThatSomebodyHasAgainIsLeftWithItsQueue) {
  const DrainTold told{DrainReason::Reload, 5s, IdlePolicy::Close, 0ms, {"admin"}};
  const WorkerStep draining = at(in(Phase::Paused), told, 1);
  const WorkerStep closed = at(draining.next, CloseListenersTold{.given_back = true}, 1);
  EXPECT_FALSE(get<StopListening>(closed).drain_queue);
  EXPECT_TRUE(get<StopListening>(closed).announce);
  EXPECT_TRUE(has<FinishWorker>(at(closed.next, ConnectionsGone{}, 0)));
}

TEST(LifecycleTest, LastOwnerOfAListenerEmptiesItWhenTheSupervisorIsGone) {
  const DrainTold told{DrainReason::Reload, 5s, IdlePolicy::Close, 0ms, {"admin"}};
  const WorkerStep draining = at(in(Phase::Paused), told, 1);
  EXPECT_TRUE(get<StopListening>(at(draining.next, SupervisorLost{}, 1)).drain_queue);
}

TEST(LifecycleTest, RepeatedOrdersAreAnsweredAgain) {
  EXPECT_TRUE(has<StartAccepting>(at(in(Phase::Accepting), AcceptTold{})));
  EXPECT_TRUE(has<PauseAccepting>(at(in(Phase::Paused), PauseTold{})));
}

TEST(LifecycleTest, ReloadDrainClosesItsListenersWithoutEmptyingTheSharedQueue) {
  const WorkerStep got = at(in(Phase::Accepting), DrainTold{DrainReason::Reload, 5s}, 3);
  EXPECT_EQ(got.next.phase, Phase::Draining);
  EXPECT_FALSE(get<StopListening>(got).drain_queue);
  EXPECT_TRUE(has<BeginDrain>(got));
  EXPECT_FALSE(has<FinishWorker>(got));
  EXPECT_EQ(wake_at(got.next), kNow + 5s);
}

TEST(LifecycleTest, ReloadDrainOfAnEmptyWorkerEndsAtOnce) {
  EXPECT_TRUE(has<FinishWorker>(at(in(Phase::Paused), DrainTold{DrainReason::Reload, 5s}, 0)));
}

TEST(LifecycleTest, ShutdownGoesOnAcceptingUntilToldToCloseTheListeners) {
  const WorkerStep told = at(in(Phase::Accepting), DrainTold{DrainReason::Shutdown, 5s}, 0);
  EXPECT_FALSE(has<StopListening>(told));
  EXPECT_FALSE(has<FinishWorker>(told));
  const WorkerStep closed = at(told.next, CloseListenersTold{}, 0);
  EXPECT_TRUE(get<StopListening>(closed).drain_queue);
  EXPECT_TRUE(get<StopListening>(closed).announce);
  EXPECT_FALSE(has<FinishWorker>(closed)) << "the queue may have brought connections";
  EXPECT_TRUE(has<FinishWorker>(at(closed.next, ConnectionsGone{}, 0)));
}

TEST(LifecycleTest, ShutdownMakesAPausedWorkerAcceptAgain) {
  EXPECT_TRUE(has<StartAccepting>(at(in(Phase::Paused), DrainTold{DrainReason::Shutdown, 5s}, 2)));
}

TEST(LifecycleTest, EarlierDeadlineWinsAndLaterReasonReplaces) {
  const WorkerStep first = at(in(Phase::Accepting), DrainTold{DrainReason::Reload, 5s}, 3);
  const WorkerStep later = at(first.next, DrainTold{DrainReason::Shutdown, 60s}, 3);
  EXPECT_EQ(wake_at(later.next), kNow + 5s);
  EXPECT_EQ(later.next.reason, DrainReason::Shutdown);
  EXPECT_EQ(wake_at(at(first.next, DrainTold{DrainReason::Shutdown, 1s}, 3).next), kNow + 1s);
}

TEST(LifecycleTest, DeadlineCutsAndLeaves) {
  const WorkerStep draining = at(in(Phase::Accepting), DrainTold{DrainReason::Reload, 5s}, 3);
  EXPECT_TRUE(at(draining.next, WorkerTimerFired{}, 3, kNow + 4999ms).actions.empty());
  const WorkerStep cut = at(draining.next, WorkerTimerFired{}, 3, kNow + 5s);
  EXPECT_TRUE(has<CutConnections>(cut));
  EXPECT_TRUE(has<FinishWorker>(cut));
}

TEST(LifecycleTest, WhatMovesBytesGoesOnFromStopTimeoutToItsMaximum) {
  const DrainTold told{DrainReason::Reload, 10s, IdlePolicy::Close, 60s};
  const WorkerStep draining = at(in(Phase::Accepting), told, 3);
  EXPECT_EQ(wake_at(draining.next), kNow + 10s - kProgressWindow);
  const WorkerStep marked = at(draining.next, WorkerTimerFired{}, 3, kNow + 10s - kProgressWindow);
  EXPECT_TRUE(has<MarkProgress>(marked));
  EXPECT_EQ(wake_at(marked.next), kNow + 10s);
  WorkerStep looked = marked;
  for (TimePoint now = kNow + 10s; now < kNow + 60s; now += kProgressWindow) {
    looked = at(looked.next, WorkerTimerFired{}, 3, now);
    ASSERT_TRUE(has<CutStuck>(looked));
    ASSERT_FALSE(has<FinishWorker>(looked));
    ASSERT_EQ(wake_at(looked.next), now + kProgressWindow);
  }
  EXPECT_TRUE(has<FinishWorker>(at(looked.next, ConnectionsGone{}, 0, kNow + 56s)));
  const WorkerStep cut = at(looked.next, WorkerTimerFired{}, 3, kNow + 60s);
  EXPECT_TRUE(has<CutConnections>(cut));
  EXPECT_TRUE(has<FinishWorker>(cut));
}

TEST(LifecycleTest, AStopTimeoutShorterThanTheWindowLooksBackToTheDrainsBegin) {
  const WorkerStep draining =
      at(in(Phase::Accepting), DrainTold{DrainReason::Reload, 300ms, IdlePolicy::Close, 60s}, 3);
  EXPECT_EQ(wake_at(draining.next), kNow);
  const WorkerStep marked = at(draining.next, WorkerTimerFired{}, 3, kNow);
  EXPECT_TRUE(has<MarkProgress>(marked));
  EXPECT_TRUE(has<CutStuck>(at(marked.next, WorkerTimerFired{}, 3, kNow + 300ms)));
}

TEST(LifecycleTest, WithoutSightOfProgressStopTimeoutCutsAll) {
  Lifecycle state = in(Phase::Accepting);
  state.policy.sees_progress = false;
  const WorkerStep draining =
      at(state, DrainTold{DrainReason::Reload, 10s, IdlePolicy::Close, 60s}, 3);
  EXPECT_EQ(wake_at(draining.next), kNow + 10s);
  EXPECT_TRUE(has<CutConnections>(at(draining.next, WorkerTimerFired{}, 3, kNow + 10s)));
}

TEST(LifecycleTest, AMaximumBelowStopTimeoutIsStopTimeout) {
  const WorkerStep draining =
      at(in(Phase::Accepting), DrainTold{DrainReason::Reload, 10s, IdlePolicy::Close, 2s}, 3);
  EXPECT_EQ(wake_at(draining.next), kNow + 10s);
  EXPECT_TRUE(has<CutConnections>(at(draining.next, WorkerTimerFired{}, 3, kNow + 10s)));
}

TEST(LifecycleTest, TheEarlierMaximumWinsToo) {
  const WorkerStep first =
      at(in(Phase::Accepting), DrainTold{DrainReason::Reload, 10s, IdlePolicy::Close, 60s}, 3);
  const WorkerStep later =
      at(first.next, DrainTold{DrainReason::Shutdown, 3s, IdlePolicy::Close, 20s}, 3, kNow + 1s);
  EXPECT_EQ(later.next.stop_at, kNow + 4s);
  EXPECT_EQ(later.next.end_at, kNow + 21s);
  const WorkerStep strict = at(first.next, DrainTold{DrainReason::Shutdown, 3s}, 3, kNow + 1s);
  EXPECT_TRUE(has<CutConnections>(at(strict.next, WorkerTimerFired{}, 3, kNow + 4s)));
}

TEST(LifecycleTest, LostSupervisorLeavesAServingWorkerServing) {
  const WorkerStep lost = at(in(Phase::Accepting), SupervisorLost{}, 3);
  EXPECT_EQ(lost.next.phase, Phase::Accepting);
  EXPECT_FALSE(has<StopListening>(lost));
  EXPECT_EQ(wake_at(lost.next), kNow + 600s);
  const WorkerStep over = at(lost.next, WorkerTimerFired{}, 3, kNow + 600s);
  EXPECT_EQ(get<BeginDrain>(over).reason, DrainReason::Orphaned);
}

TEST(LifecycleTest, LostSupervisorInTheMiddleOfAReloadLetsAPausedWorkerAccept) {
  EXPECT_TRUE(has<StartAccepting>(at(in(Phase::Paused), SupervisorLost{}, 3)));
}

TEST(LifecycleTest, LostSupervisorEndsAWorkerThatNeverServed) {
  EXPECT_TRUE(has<AbandonStart>(at(in(Phase::Starting), SupervisorLost{})));
  EXPECT_TRUE(has<AbandonStart>(at(in(Phase::Ready), SupervisorLost{})));
}

TEST(LifecycleTest, OrphanTimeoutZeroServesForEver) {
  Lifecycle state = in(Phase::Accepting);
  state.policy.orphan_timeout = Millis{0};
  EXPECT_EQ(wake_at(at(state, SupervisorLost{}, 3).next), std::nullopt);
}

TEST(LifecycleTest, TermFromTheOperatorDrains) {
  const WorkerStep got = at(in(Phase::Accepting), TermReceived{}, 3);
  EXPECT_EQ(get<BeginDrain>(got).reason, DrainReason::Operator);
  EXPECT_FALSE(get<StopListening>(got).drain_queue) << "other workers have the listener";
}

TEST(LifecycleTest, AloneTheFirstTermDrainsAndTheSecondCuts) {
  Lifecycle alone = in(Phase::Accepting);
  alone.supervised = false;
  const WorkerStep first = at(alone, TermReceived{}, 3);
  EXPECT_TRUE(get<StopListening>(first).drain_queue);
  EXPECT_TRUE(has<CutConnections>(at(first.next, TermReceived{}, 3)));
}

TEST(LifecycleTest, ALameDuckGoesOnAcceptingAndIsToldOnce) {
  const WorkerStep got = at(in(Phase::Accepting), LameDuckTold{}, 3);
  EXPECT_EQ(got.next.phase, Phase::Accepting);
  EXPECT_TRUE(has<BeginLameDuck>(got));
  EXPECT_TRUE(at(got.next, LameDuckTold{}, 3).actions.empty());
  const WorkerStep draining = at(in(Phase::Accepting), DrainTold{DrainReason::Shutdown, 5s}, 3);
  EXPECT_TRUE(at(draining.next, LameDuckTold{}, 3).actions.empty()) << "the drain says more";
}

WorkerEvent random_event(std::mt19937& random) {
  const auto pick = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
  switch (pick(10)) {
    case 0:
      return Prepared{};
    case 1:
      return AcceptTold{};
    case 2:
      return pick(2) == 0 ? PauseTold{} : PauseTold{{"admin"}};
    case 3:
      return DrainTold{static_cast<DrainReason>(pick(5)), Millis{pick(10'000)}, IdlePolicy::Close,
                       Millis{pick(30'000)}, std::vector<std::string>(pick(2) * 1U, "admin")};
    case 4:
      return CloseListenersTold{};
    case 5:
      return SupervisorLost{};
    case 6:
      return TermReceived{};
    case 7:
      return ConnectionsGone{};
    case 8:
      return LameDuckTold{};
    default:
      return WorkerTimerFired{};
  }
}

// Laws over 100,000 random lives: what must never happen, whatever order the world chooses.
TEST(LifecycleTest, RandomLivesKeepTheLaws) {
  std::mt19937 random(20261122);
  for (int life = 0; life < kRandomLives; ++life) {
    Lifecycle state;
    TimePoint now = kNow;
    bool stopped_listening = false;
    bool finished = false;
    bool overtime = false;
    state.policy.sees_progress = life % 4 != 0;
    for (int i = 0; i < 15; ++i) {
      now += Millis{std::uniform_int_distribution<int>(0, 4'000)(random)};
      const auto connections = std::uniform_int_distribution<std::size_t>(0, 2)(random);
      const WorkerStep got = step(state, random_event(random), {now, connections});
      SCOPED_TRACE(testing::Message() << "life " << life << " step " << i);
      for (const WorkerAction& action : got.actions) {
        ASSERT_FALSE(finished) << "an action after the last one";
        if (std::holds_alternative<StopListening>(action)) stopped_listening = true;
        if (std::holds_alternative<StartAccepting>(action)) {
          ASSERT_FALSE(stopped_listening);
        }
        if (std::holds_alternative<FinishWorker>(action)) {
          ASSERT_TRUE(stopped_listening);
          ASSERT_TRUE(connections == 0 || has<CutConnections>(got));
          finished = true;
        }
        if (std::holds_alternative<AbandonStart>(action)) finished = true;
        if (std::holds_alternative<MarkProgress>(action)) {
          ASSERT_FALSE(overtime) << "the last look is what counts then";
        }
        if (std::holds_alternative<CutStuck>(action)) {
          ASSERT_TRUE(state.policy.sees_progress);
          overtime = true;
        }
      }
      if (got.next.phase == Phase::Draining) {
        ASSERT_TRUE(got.next.end_at) << "a drain without a deadline";
        ASSERT_LE(*wake_at(got.next), *got.next.end_at);
      }
      if (got.next.phase == Phase::Exited) {
        ASSERT_TRUE(finished);
      }
      state = got.next;
    }
  }
}

}  // namespace
}  // namespace holdfast::worker
