#include "worker/core/lifecycle.hpp"

#include <algorithm>

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

  void on(const PauseTold&) {
    if (s_.phase != Phase::Accepting && s_.phase != Phase::Paused) return;
    s_.phase = Phase::Paused;
    act(PauseAccepting{});
  }

  void on(const DrainTold& told) { drain(told.reason, told.stop_timeout, told.idle); }

  void on(const CloseListenersTold&) {
    if (s_.phase != Phase::Draining)
      return;  // it only ever follows a drain; accepting again must stay possible
    stop_listening({.drain_queue = true, .announce = true});
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
      stop_listening({.drain_queue = s_.reason == DrainReason::Shutdown, .announce = false});
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
    drain(s_.supervised ? DrainReason::Operator : DrainReason::Shutdown, s_.policy.stop_timeout);
  }

  void on(const ConnectionsGone&) { finish_if_empty(); }

  void on(const WorkerTimerFired&) {
    if (s_.orphan_at && view_.now >= *s_.orphan_at) {
      s_.orphan_at.reset();
      drain(DrainReason::Orphaned, s_.policy.stop_timeout);
    }
    if (s_.stop_at && view_.now >= *s_.stop_at) cut();
  }

 private:
  void act(WorkerAction action) { actions_.push_back(action); }

  void accept() {
    s_.phase = Phase::Accepting;
    act(StartAccepting{});
  }

  void drain(DrainReason reason, Millis stop_timeout, IdlePolicy idle = IdlePolicy::Close) {
    if (s_.phase == Phase::Exited) return;
    const TimePoint deadline = view_.now + stop_timeout;
    s_.stop_at = s_.stop_at ? std::min(*s_.stop_at, deadline) : deadline;
    s_.orphan_at.reset();
    s_.reason = reason;
    const bool accepting = s_.phase == Phase::Accepting;
    s_.phase = Phase::Draining;
    act(BeginDrain{reason, idle});
    const bool shutdown = reason == DrainReason::Shutdown;
    // At a full stop the queue is emptied by whoever still holds a listener, until
    // `close_listeners`. Otherwise other workers accept, and ours is only a copy. Orphans have
    // nobody beside them: they empty the queue.
    if (shutdown && s_.supervised) {
      if (s_.listening && !accepting) act(StartAccepting{});
    } else {
      stop_listening(
          {.drain_queue = shutdown || reason == DrainReason::Orphaned, .announce = false});
    }
    finish_if_empty();
  }

  void stop_listening(StopListening how) {
    if (!s_.listening && !how.announce) return;
    s_.listening = false;
    act(how);
  }

  void cut() {
    if (s_.phase != Phase::Draining || s_.cut) return;
    s_.cut = true;
    s_.stop_at.reset();
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
    s_.stop_at.reset();
    act(FinishWorker{});
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
  if (state.stop_at && state.orphan_at) return std::min(*state.stop_at, *state.orphan_at);
  return state.stop_at ? state.stop_at : state.orphan_at;
}

}  // namespace holdfast::worker
