#include "worker/core/lifecycle.hpp"

#include <algorithm>
#include <utility>

#include "shared/core/overloaded.hpp"

namespace holdfast::worker {
namespace {

class Stepper {
 public:
  Stepper(Lifecycle state, const WorkerView& view) : s_(std::move(state)), view_(view) {}

  WorkerStep take() { return {std::move(s_), std::move(actions_)}; }

  void on(const Prepared&) {
    if (s_.phase != Phase::Starting) return;
    s_.phase = Phase::Ready;
    act(SayReady{});
    if (!s_.supervised) accept();  // alone, nobody else will say so
  }

  void on(const AcceptTold&) {
    if (s_.phase == Phase::Ready || s_.phase == Phase::Paused) accept();
    // Told twice: the supervisor is owed its answer all the same.
    else if (s_.phase == Phase::Accepting)
      act(StartAccepting{});
  }

  void on(const PauseTold& told) {
    if (s_.phase != Phase::Accepting && s_.phase != Phase::Paused) return;
    s_.phase = Phase::Paused;
    act(PauseAccepting{told.except});
  }

  void on(const LameDuckTold&) {
    if (s_.phase == Phase::Draining || std::exchange(s_.lame_duck, true)) return;
    act(BeginLameDuck{});
  }

  void on(const DrainTold& told) { drain(told); }

  void on(const CloseListenersTold& told) {
    if (s_.phase != Phase::Draining)
      return;  // it only ever follows a drain; accepting again must stay possible
    stop_listening({.drain_queue = !told.given_back, .announce = true});
    finish_if_empty();
  }

  void on(const SupervisorLost&) {
    if (s_.phase == Phase::Exited || !s_.supervised) return;
    s_.supervised = false;
    act(UseOwnStderr{});
    if (s_.phase == Phase::Starting || s_.phase == Phase::Ready) {
      // It never had traffic; whoever has it goes on serving.
      s_.phase = Phase::Exited;
      act(AbandonStart{});
    } else if (s_.phase == Phase::Draining) {
      // `close_listeners` will not come any more.
      stop_listening(
          {.drain_queue = s_.reason == DrainReason::Shutdown || s_.last, .announce = false});
      finish_if_empty();
    } else {
      // Paused in the middle of a reload that nobody will finish: clients must not suffer, so
      // accept again.
      if (s_.phase == Phase::Paused) accept();
      if (s_.policy.orphan_timeout.count() > 0) s_.orphan_at = view_.now + s_.policy.orphan_timeout;
    }
  }

  void on(const TermReceived&) {
    if (s_.phase == Phase::Draining && !s_.supervised)
      return cut();  // the second one, with nobody to ask
    drain_by_policy(s_.supervised ? DrainReason::Operator : DrainReason::Shutdown);
  }

  void on(const ConnectionsGone&) { finish_if_empty(); }

  void on(const WorkerTimerFired&) {
    if (s_.orphan_at && view_.now >= *s_.orphan_at) {
      s_.orphan_at.reset();
      drain_by_policy(DrainReason::Orphaned);
    }
    const auto due = [&](std::optional<TimePoint> when) { return when && view_.now >= *when; };
    if (due(s_.end_at)) return cut();
    if (due(s_.stop_at)) return cut_stuck();
    if (!due(s_.mark_at)) return;
    s_.mark_at.reset();
    act(MarkProgress{});
  }

 private:
  void act(WorkerAction action) { actions_.push_back(std::move(action)); }

  void accept() {
    s_.phase = Phase::Accepting;
    act(StartAccepting{});
  }

  void drain_by_policy(DrainReason reason) {
    drain({reason, s_.policy.stop_timeout, IdlePolicy::Close, s_.policy.stop_timeout_max});
  }

  void drain(const DrainTold& told) {
    if (s_.phase == Phase::Exited) return;
    set_deadlines(told.stop_timeout, told.stop_timeout_max);
    s_.orphan_at.reset();
    s_.reason = told.reason;
    const bool accepting = s_.phase == Phase::Accepting;
    s_.phase = Phase::Draining;
    act(BeginDrain{told.reason, told.idle});
    const bool shutdown = told.reason == DrainReason::Shutdown;
    // At a full stop the queue is emptied by whoever still holds a listener, until
    // `close_listeners`. Otherwise other workers accept, and ours is only a copy. Orphans have
    // nobody beside them: they empty the queue.
    if (shutdown && s_.supervised) {
      if (s_.listening && !accepting) act(StartAccepting{});
    } else if (!told.last_of.empty() && s_.supervised && s_.listening) {
      s_.last = true;
      act(KeepListening{told.last_of});
    } else {
      stop_listening(
          {.drain_queue = shutdown || told.reason == DrainReason::Orphaned, .announce = false});
    }
    finish_if_empty();
  }

  // Of several drains the earlier deadlines win.
  void set_deadlines(Millis stop_timeout, Millis stop_timeout_max) {
    const Millis longest =
        s_.policy.sees_progress ? std::max(stop_timeout, stop_timeout_max) : stop_timeout;
    const auto earlier = [](std::optional<TimePoint> known, TimePoint told) {
      return known ? std::min(*known, told) : told;
    };
    s_.end_at = earlier(s_.end_at, view_.now + longest);
    s_.stop_at = std::min(*s_.end_at, earlier(s_.stop_at, view_.now + stop_timeout));
    s_.mark_at.reset();
    if (s_.stop_at < s_.end_at && !s_.overtime)
      s_.mark_at = std::max(view_.now, *s_.stop_at - kProgressWindow);
  }

  void stop_listening(StopListening how) {
    if (!s_.listening && !how.announce) return;
    s_.listening = false;
    act(how);
  }

  void cut_stuck() {
    s_.overtime = true;
    s_.mark_at.reset();
    s_.stop_at = std::min(*s_.end_at, view_.now + kProgressWindow);
    stop_listening({.drain_queue = false, .announce = false});
    act(CutStuck{});
  }

  void cut() {
    if (s_.phase != Phase::Draining || s_.cut) return;
    s_.cut = true;
    forget_deadlines();
    stop_listening({.drain_queue = false, .announce = false});
    act(CutConnections{});
    s_.phase = Phase::Exited;
    act(FinishWorker{});
  }

  void finish_if_empty() {
    if (s_.phase != Phase::Draining || s_.listening || view_.connections != 0) return;
    // Emptying the queue may have brought connections that the view does not know yet;
    // ConnectionsGone comes for them.
    for (const WorkerAction& action : actions_) {
      if (const auto* stop = std::get_if<StopListening>(&action);
          stop != nullptr && stop->drain_queue)
        return;
    }
    s_.phase = Phase::Exited;
    forget_deadlines();
    act(FinishWorker{});
  }

  void forget_deadlines() {
    s_.mark_at.reset();
    s_.stop_at.reset();
    s_.end_at.reset();
  }

  Lifecycle s_;
  const WorkerView& view_;
  std::vector<WorkerAction> actions_;
};

}  // namespace

WorkerStep step(Lifecycle state, const WorkerEvent& event, const WorkerView& view) {
  if (state.phase == Phase::Exited) return {std::move(state), {}};
  Stepper stepper(std::move(state), view);
  std::visit([&](const auto& e) { stepper.on(e); }, event);
  return stepper.take();
}

std::optional<TimePoint> wake_at(const Lifecycle& state) {
  std::optional<TimePoint> first;
  for (const auto& at : {state.mark_at, state.stop_at, state.end_at, state.orphan_at}) {
    if (at) first = first ? std::min(*first, *at) : *at;
  }
  return first;
}

}  // namespace holdfast::worker
