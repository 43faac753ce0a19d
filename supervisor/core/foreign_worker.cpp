#include "supervisor/core/foreign_worker.hpp"

#include <utility>

#include "shared/core/overloaded.hpp"

namespace holdfast::supervisor {
namespace {

class ForeignTurn {
 public:
  ForeignTurn(ForeignWorker& worker, std::vector<ForeignAction>& actions)
      : worker_(worker), actions_(actions) {}

  void on(const ForeignLaunched&) {
    Hello hello;
    hello.pid = worker_.pid;
    hello.library = "foreign";
    say(std::move(hello));
  }
  void on(const ForeignTold& told) {
    std::visit(overloaded{[&](const Welcome&) { welcomed(); }, [&](const Accept&) { accept(); },
                          [&](const Pause&) { pause(); }, [&](const Drain& drain) { on(drain); },
                          [&](const CloseListeners&) { close_listeners(); },
                          [&](const Ping&) { ping(); }, [&](const StatsRequest&) { say(Stats{}); },
                          // Logs are its own, and it neither gives nor takes connections.
                          [](const auto&) {}},
               told.message);
  }
  void on(const ForeignTerminated&) { leave(); }
  void on(const ForeignBecameReady&) {
    if (worker_.phase == ForeignPhase::Launched) worker_.ready_early = true;
    if (worker_.phase != ForeignPhase::Starting) return;
    worker_.phase = ForeignPhase::Serving;
    say(Ready{});
  }
  void on(const ForeignProbed& probed) {
    if (worker_.phase != ForeignPhase::Serving) return;
    if (!probed.failure.empty()) return fail("its probe failed: " + probed.failure);
    if (!std::exchange(worker_.proved, true)) say(Accepting{});
  }
  void on(const ForeignLives&) {
    worker_.silent = false;
    for (; worker_.pings_owed > 0; --worker_.pings_owed) say(Pong{});
  }
  void on(const ForeignFellSilent&) { worker_.silent = true; }
  void on(const ForeignHangs&) { fail("it says that it hangs (WATCHDOG=trigger)"); }
  void on(const ForeignLeaves&) {
    const bool unasked = worker_.phase == ForeignPhase::Launched ||
                         worker_.phase == ForeignPhase::Starting ||
                         worker_.phase == ForeignPhase::Serving;
    if (unasked || worker_.phase == ForeignPhase::LastCalls) worker_.phase = ForeignPhase::Leaving;
    if (unasked) say(Draining{DrainReason::Operator});
  }
  void on(const ForeignClosingIsOver&) {
    if (worker_.phase != ForeignPhase::Closing) return;
    worker_.phase = ForeignPhase::Leaving;
    say(ListenersClosed{});
  }
  void on(const ForeignExited& exited) {
    if (worker_.phase == ForeignPhase::Closing) say(ListenersClosed{});
    const bool asked =
        worker_.phase == ForeignPhase::Closing || worker_.phase == ForeignPhase::Leaving;
    // What it served is not known; that it ended in good order is.
    if (asked && exited.status == ExitStatus{}) say(Drained{});
    worker_.phase = ForeignPhase::Gone;
  }

 private:
  template <typename Action>
  void act(Action action) {
    actions_.emplace_back(std::in_place_type<Action>, std::move(action));
  }
  void say(ControlMessage message) { act(ForeignSay{std::move(message)}); }
  void fail(std::string cause) { act(ForeignFail{std::move(cause)}); }

  void welcomed() {
    if (worker_.phase != ForeignPhase::Launched) return;
    worker_.phase = ForeignPhase::Starting;
    if (worker_.ready_early) on(ForeignBecameReady{});
  }

  // Told again after a rollback it has not been asked anew: it never stopped.
  void accept() {
    if (worker_.phase != ForeignPhase::Serving) return;
    if (worker_.has_probe && !worker_.proved) return act(ForeignProbe{});
    say(Accepting{});
  }

  void pause() {
    if (worker_.phase == ForeignPhase::Serving) say(Paused{});
  }

  void on(const Drain& drain) {
    if (worker_.phase != ForeignPhase::LastCalls) {
      // Nobody accepts after us: who waits in the queue is this worker's.
      const bool last = drain.reason == DrainReason::Shutdown || !drain.last_of.empty();
      if (last && worker_.phase == ForeignPhase::Serving) {
        worker_.phase = ForeignPhase::LastCalls;
      } else {
        leave();
      }
    }
    say(Draining{drain.reason});
  }

  void close_listeners() {
    if (worker_.phase == ForeignPhase::Closing) return;
    if (worker_.phase == ForeignPhase::Leaving) return say(ListenersClosed{});
    leave();
    worker_.phase = ForeignPhase::Closing;
    act(ForeignAwaitClosing{});
  }

  void leave() {
    const bool asked = worker_.phase == ForeignPhase::Closing;
    if (asked || worker_.phase == ForeignPhase::Leaving) return;
    worker_.phase = ForeignPhase::Leaving;
    act(ForeignAskToLeave{});
  }

  // A worker that never said WATCHDOG=1 knows nothing of it and is believed to live. The fleet ends
  // one that owes it an answer for too long.
  void ping() {
    if (worker_.silent) {
      ++worker_.pings_owed;
    } else {
      say(Pong{});
    }
  }

  ForeignWorker& worker_;
  std::vector<ForeignAction>& actions_;
};

}  // namespace

ForeignStep step(ForeignWorker worker, const ForeignEvent& event) {
  ForeignStep result{std::move(worker), {}};
  if (result.next.phase == ForeignPhase::Gone) return result;
  ForeignTurn turn(result.next, result.actions);
  std::visit([&](const auto& happened) { turn.on(happened); }, event);
  return result;
}

}  // namespace holdfast::supervisor
