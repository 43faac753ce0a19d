#include "supervisor/core/foreign_worker.hpp"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

namespace holdfast::supervisor {
namespace {

using Phase = ForeignPhase;

ForeignTold told(ControlMessage message) { return {std::move(message)}; }
Drain drain(DrainReason reason) {
  Drain order;
  order.reason = reason;
  return order;
}
Drain last_of(const std::string& listener) {
  Drain order = drain(DrainReason::Reload);
  order.last_of = {listener};
  return order;
}

// Actions as one line: "draining leave".
std::string text(const std::vector<ForeignAction>& actions) {
  std::string line;
  for (const ForeignAction& action : actions) {
    if (!line.empty()) line += ' ';
    if (const auto* say = std::get_if<ForeignSay>(&action)) {
      line += type_name(say->message);
    } else if (std::holds_alternative<ForeignAskToLeave>(action)) {
      line += "LEAVE";
    } else if (std::holds_alternative<ForeignProbe>(action)) {
      line += "PROBE";
    } else if (std::holds_alternative<ForeignAwaitClosing>(action)) {
      line += "AWAIT";
    } else {
      line += "FAIL";
    }
  }
  return line;
}

struct Named {
  std::string name;
  ForeignEvent event;
};

std::vector<Named> all_events() {
  return {{"welcome", told(Welcome{})},
          {"accept", told(Accept{})},
          {"pause", told(Pause{})},
          {"lame_duck", told(LameDuck{})},
          {"drain_reload", told(drain(DrainReason::Reload))},
          {"drain_last_of", told(last_of("http"))},
          {"drain_shutdown", told(drain(DrainReason::Shutdown))},
          {"close_listeners", told(CloseListeners{})},
          {"ping", told(Ping{})},
          {"stats", told(StatsRequest{})},
          {"reopen_logs", told(ReopenLogs{})},
          {"terminate", ForeignTerminated{}},
          {"ready", ForeignBecameReady{}},
          {"probe_good", ForeignProbed{}},
          {"probe_bad", ForeignProbed{"status 500"}},
          {"lives", ForeignLives{}},
          {"fell_silent", ForeignFellSilent{}},
          {"hangs", ForeignHangs{}},
          {"leaves", ForeignLeaves{}},
          {"closing_over", ForeignClosingIsOver{}},
          {"exit_0", ForeignExited{{}}},
          {"exit_1", ForeignExited{{{}, 1}}}};
}

ForeignWorker in(Phase phase) {
  ForeignWorker worker;
  worker.phase = phase;
  return worker;
}

struct Cell {
  Phase next;
  std::string actions;
};

// Every (phase, event) that does something; all others leave the phase alone and do nothing.
Cell expected(Phase phase, const std::string& event) {
  const bool before = phase == Phase::Launched || phase == Phase::Starting;
  const bool serving = phase == Phase::Serving;
  const bool last_calls = phase == Phase::LastCalls;
  const bool asked = phase == Phase::Closing || phase == Phase::Leaving;
  if (phase == Phase::Gone) return {phase, ""};
  if (event == "stats") return {phase, "stats"};
  if (event == "ping") return {phase, "pong"};
  if (event == "hangs") return {phase, "FAIL"};
  if (event == "exit_0" || event == "exit_1") {
    std::string said = phase == Phase::Closing ? "listeners_closed" : "";
    if (asked && event == "exit_0") said += said.empty() ? "drained" : " drained";
    return {Phase::Gone, said};
  }
  if (event == "terminate") return asked ? Cell{phase, ""} : Cell{Phase::Leaving, "LEAVE"};
  if (event == "welcome" && phase == Phase::Launched) return {Phase::Starting, ""};
  if (event == "ready" && phase == Phase::Starting) return {Phase::Serving, "ready"};
  if (event == "accept" && serving) return {phase, "accepting"};
  if (event == "pause" && serving) return {phase, "paused"};
  if (event == "probe_good" && serving) return {phase, "accepting"};
  if (event == "probe_bad" && serving) return {phase, "FAIL"};
  if (event == "drain_reload") {
    if (last_calls || asked) return {phase, "draining"};
    return {Phase::Leaving, "LEAVE draining"};
  }
  if (event == "drain_shutdown" || event == "drain_last_of") {
    if (serving) return {Phase::LastCalls, "draining"};
    if (before) return {Phase::Leaving, "LEAVE draining"};
    return {phase, "draining"};
  }
  if (event == "close_listeners") {
    if (phase == Phase::Closing) return {phase, ""};
    if (phase == Phase::Leaving) return {phase, "listeners_closed"};
    return {Phase::Closing, "LEAVE AWAIT"};
  }
  if (event == "closing_over" && phase == Phase::Closing)
    return {Phase::Leaving, "listeners_closed"};
  if (event == "leaves" && (before || serving)) return {Phase::Leaving, "draining"};
  if (event == "leaves" && last_calls) return {Phase::Leaving, ""};
  return {phase, ""};
}

TEST(ForeignWorkerTest, EveryPhaseAnswersEveryEventAsTheTableSays) {
  for (std::size_t i = 0; i < kForeignPhases; ++i) {
    const auto phase = static_cast<Phase>(i);
    for (const Named& named : all_events()) {
      const auto [next, actions] = step(in(phase), named.event);
      const Cell cell = expected(phase, named.name);
      EXPECT_EQ(static_cast<int>(next.phase), static_cast<int>(cell.next))
          << "phase " << i << ", " << named.name;
      EXPECT_EQ(text(actions), cell.actions) << "phase " << i << ", " << named.name;
    }
  }
}

TEST(ForeignWorkerTest, ItsHelloIsSaidForItAndAReadinessBeforeTheWelcomeIsKept) {
  ForeignWorker worker;
  worker.pid = 42;
  auto [launched, hello] = step(worker, ForeignLaunched{});
  ASSERT_EQ(text(hello), "hello");
  EXPECT_EQ(std::get<Hello>(std::get<ForeignSay>(hello[0]).message).pid, 42);
  EXPECT_EQ(std::get<Hello>(std::get<ForeignSay>(hello[0]).message).handoff, std::nullopt);
  auto [early, nothing] = step(launched, ForeignBecameReady{});
  EXPECT_EQ(text(nothing), "");
  EXPECT_EQ(text(step(early, told(Welcome{})).actions), "ready");
}

TEST(ForeignWorkerTest, AProbeComesBeforeItCountsAsAcceptingAndNotAgainAfterARollback) {
  ForeignWorker worker = in(Phase::Serving);
  worker.has_probe = true;
  const ForeignStep asked = step(worker, told(Accept{}));
  EXPECT_EQ(text(asked.actions), "PROBE");
  EXPECT_EQ(text(step(asked.next, ForeignProbed{"refused"}).actions), "FAIL");
  const ForeignStep good = step(asked.next, ForeignProbed{});
  EXPECT_EQ(text(good.actions), "accepting");
  EXPECT_EQ(text(step(good.next, ForeignProbed{}).actions), "") << "it is said once";
  const ForeignStep paused = step(good.next, told(Pause{}));
  EXPECT_EQ(text(step(paused.next, told(Accept{})).actions), "accepting");
}

TEST(ForeignWorkerTest, ASilentOneOwesItsPongsUntilItLives) {
  ForeignWorker worker = step(in(Phase::Serving), ForeignFellSilent{}).next;
  const ForeignStep first = step(worker, told(Ping{}));
  const ForeignStep second = step(first.next, told(Ping{}));
  EXPECT_EQ(text(first.actions) + text(second.actions), "");
  const ForeignStep alive = step(second.next, ForeignLives{});
  EXPECT_EQ(text(alive.actions), "pong pong");
  EXPECT_EQ(text(step(alive.next, told(Ping{})).actions), "pong");
}

// Whatever happens in whatever order: it is asked to leave once, closes its listeners once, says
// nothing after its end, and a drain of the whole service does not close the door before the end.
TEST(ForeignWorkerTest, NoOrderOfEventsBreaksItsPromises) {
  std::mt19937 random(7);
  const std::vector<Named> events = all_events();
  for (int life = 0; life < 20'000; ++life) {
    ForeignWorker worker;
    worker.has_probe = random() % 2 == 0;
    int asked = 0;
    int closed_unasked = 0;
    std::string story;
    for (int i = 0; i < 12; ++i) {
      const Named& named = events[random() % events.size()];
      story += named.name + " ";
      const Phase before = worker.phase;
      auto [next, actions] = step(worker, named.event);
      ASSERT_TRUE(before != Phase::Gone || actions.empty()) << story;
      for (const ForeignAction& action : actions) {
        asked += std::holds_alternative<ForeignAskToLeave>(action);
        const auto* say = std::get_if<ForeignSay>(&action);
        if (say == nullptr) continue;
        if (std::holds_alternative<ListenersClosed>(say->message)) {
          closed_unasked += before != Phase::Closing && before != Phase::Leaving;
        }
        if (std::holds_alternative<Drained>(say->message)) {
          ASSERT_EQ(named.name, "exit_0") << story;
        }
      }
      worker = next;
    }
    ASSERT_LE(asked, 1) << story;
    ASSERT_EQ(closed_unasked, 0) << story;
  }
}

}  // namespace
}  // namespace holdfast::supervisor
