#include <algorithm>

#include "shared/core/overloaded.hpp"
#include "tests/unit/supervisor/fleet_world.hpp"

namespace holdfast::supervisor {
namespace {

class Laws {
 public:
  Laws(const Fleet& before, const Fleet& after, const std::vector<FleetAction>& actions,
       TimePoint now)
      : before_(before), after_(after), actions_(actions), now_(now) {}

  std::vector<std::string> check() {
    for (std::size_t i = 0; i < actions_.size(); ++i) check_action(i);
    check_generations();
    check_deadlines();
    if (before_.finished && !actions_.empty()) broken("an action after Exit");
    return std::move(broken_);
  }

 private:
  void broken(const std::string& law) { broken_.push_back(law); }

  static const Worker* find(const Fleet& fleet, WorkerId id) {
    const auto found = std::ranges::find(fleet.workers, id, &Worker::id);
    return found == fleet.workers.end() ? nullptr : &*found;
  }
  const Worker* known(WorkerId id) const {
    const Worker* worker = find(after_, id);
    return worker != nullptr ? worker : find(before_, id);
  }

  void check_action(std::size_t index) {
    std::visit(overloaded{
                   [&](const StartWorker& a) { on_start(a); },
                   [&](const WelcomeWorker& a) { must_be_known(a.worker, "WelcomeWorker"); },
                   [&](const TellAccept& a) { must_be_known(a.worker, "TellAccept"); },
                   [&](const TellPause& a) { on_pause(a); },
                   [&](const TellLameDuck& a) {
                     must_be_known(a.worker, "TellLameDuck");
                     if (before_.stop || !after_.stop) broken("a lame duck that begins no stop");
                   },
                   [&](const ConnectPeers& a) { on_connect(a); },
                   [&](const TellDrain& a) { on_drain(a); },
                   [&](const TellCloseListeners& a) {
                     must_be_known(a.worker, "TellCloseListeners");
                     const Worker* worker = known(a.worker);
                     if (!after_.stop && (worker == nullptr || !worker->accepts_last))
                       broken("listeners closed without a stop");
                   },
                   [&](const AskStats& a) { must_be_known(a.worker, "AskStats"); },
                   [&](const TerminateWorker& a) { on_terminate(a); },
                   [&](const KillWorker& a) {
                     must_be_known(a.worker, "KillWorker");
                     if (const Worker* worker = find(before_, a.worker); worker && worker->exited) {
                       broken("a reaped process was killed");
                     }
                   },
                   [&](const ReleaseWorker& a) { must_be_known(a.worker, "ReleaseWorker"); },
                   [&](const PingWorker& a) { must_be_known(a.worker, "TellPing"); },
                   [&](const AbortWorker& a) { must_be_known(a.worker, "TellAbort"); },
                   [&](const CloseTheDoor& a) {
                     if (a.only_of) {
                       if (!committed()) broken("a listener was taken away without a commit");
                       return;
                     }
                     if (!after_.stop) broken("the door was closed without a stop");
                     if (before_.stop && before_.stop->phase != StopPhase::LameDuck)
                       broken("the door was closed twice");
                   },
                   [&](const ShutListeners& a) {
                     if (a.only_of) return on_shut(*a.only_of);
                     if (!after_.stop) broken("the listeners were shut without a stop");
                   },
                   [&](const Exit&) {
                     if (index + 1 != actions_.size()) broken("an action follows Exit");
                     if (!after_.workers.empty()) broken("Exit with workers alive");
                     if (!after_.finished) broken("Exit, but not finished");
                   },
                   [](const auto&) {},
               },
               actions_[index]);
  }

  void on_shut(GenerationId generation) {
    if (generation == after_.serving) broken("a serving listener was shut");
    for (const Worker& worker : after_.workers) {
      if (worker.generation == generation && can_accept(worker))
        broken("a listener was shut under a worker that accepts");
    }
  }

  void must_be_known(WorkerId id, const std::string& action) {
    const Worker* worker = known(id);
    if (worker == nullptr) return broken(action + " names an unknown worker");
    const bool process_is_gone = find(before_, id) && find(before_, id)->exited;
    if (process_is_gone && action.starts_with("Tell")) broken(action + " to a dead worker");
  }

  void on_start(const StartWorker& action) {
    if (find(before_, action.worker) != nullptr) broken("a worker's number was used twice");
    if (action.worker < before_.next_worker) broken("a worker's number was used again");
    if (after_.stop) broken("a worker was started in a stop");
  }

  void on_pause(const TellPause& action) {
    must_be_known(action.worker, "TellPause");
    const Worker* worker = known(action.worker);
    if (worker == nullptr || worker->generation != before_.serving) {
      broken("a worker that does not serve was paused");
    }
    if (before_.candidate &&
        count_accepting(after_, before_.candidate->id) < before_.candidate->workers) {
      broken("paused before the whole candidate accepts");
    }
  }

  void on_connect(const ConnectPeers& action) {
    must_be_known(action.giver, "TellGiver");
    must_be_known(action.taker, "TellTaker");
    const Worker* taker = known(action.taker);
    const Worker* giver = known(action.giver);
    if (giver != nullptr && giver->generation == after_.serving) broken("a giver serves");
    if (!committed() && giver != nullptr && !giver->hands_off)
      broken("peers were connected without a commit");
    if (taker != nullptr && taker->generation != after_.serving) broken("a taker does not serve");
    if (after_.policy.idle != IdlePolicy::Handoff) broken("peers were connected unasked");
  }

  bool committed() const { return before_.serving && before_.serving != after_.serving; }

  void on_drain(const TellDrain& action) {
    must_be_known(action.worker, "TellDrain");
    const Worker* worker = known(action.worker);
    if (action.reason == DrainReason::Reload) {
      if (!committed()) return broken("drained for reload without a commit");
      // Before the step or after it: in one step the last worker may say that it accepts, or the
      // fresh generation be scaled down.
      const bool one_way = before_.candidate && !before_.candidate->policy.rollback;
      if (!one_way &&
          std::max(count_accepting(before_, *after_.serving),
                   count_accepting(after_, *after_.serving)) < before_.candidate->workers) {
        broken("drained for reload before a full newer generation accepts");
      }
    } else if (worker != nullptr && worker->generation == before_.serving &&
               action.reason != DrainReason::Shutdown && action.reason != DrainReason::Scale &&
               action.reason != DrainReason::Recycle) {
      broken("a serving worker was drained without a reason");
    }
    if (action.reason == DrainReason::Shutdown && !after_.stop) broken("shutdown without a stop");
    if (action.reason == DrainReason::Recycle &&
        count_accepting(after_, *after_.serving) + 1 < before_.wanted) {
      broken("recycled before the successor accepts");
    }
    if (action.reason == DrainReason::Scale && before_.candidate && after_.candidate &&
        before_.candidate->id == after_.candidate->id) {
      broken("scaled in a reload");
    }
  }

  void on_terminate(const TerminateWorker& action) {
    must_be_known(action.worker, "TerminateWorker");
    const Worker* worker = find(before_, action.worker);
    if (worker != nullptr && worker->phase != WorkerPhase::Starting &&
        worker->phase != WorkerPhase::Ready) {
      broken("SIGTERM to a worker that may hold connections");
    }
  }

  static std::size_t count_accepting(const Fleet& fleet, GenerationId generation) {
    return static_cast<std::size_t>(std::ranges::count_if(fleet.workers, [&](const Worker& w) {
      return w.generation == generation && w.phase == WorkerPhase::Accepting && !w.exited;
    }));
  }

  void check_generations() {
    for (const Worker& worker : after_.workers) {
      const bool owned = worker.generation == after_.serving ||
                         (after_.candidate && worker.generation == after_.candidate->id);
      if (!owned && !worker.leaving && !after_.stop && worker.phase != WorkerPhase::Killed) {
        broken("a worker belongs to no generation and is not leaving");
      }
    }
    if (after_.serving && after_.candidate && *after_.serving >= after_.candidate->id) {
      broken("the candidate is older than the serving generation");
    }
    if (after_.candidate && after_.stop) broken("a candidate in a stop");
    // At rest the serving generation has the size that was asked for, counting those to come.
    if (after_.serving && !after_.candidate && !after_.stop) {
      const auto present =
          static_cast<std::size_t>(std::ranges::count_if(after_.workers, [&](const Worker& worker) {
            return worker.generation == after_.serving && !worker.leaving;
          }));
      const std::size_t extra = after_.recycling ? 1 : 0;
      if (present + after_.vacancies.size() != after_.wanted + extra)
        broken("the size is not matched");
    }
  }

  void check_deadlines() {
    if (after_.finished) return;
    const bool waiting =
        after_.candidate || after_.stop || (after_.stop && after_.workers.empty()) ||
        !after_.vacancies.empty() || std::ranges::any_of(after_.workers, [](const Worker& worker) {
          return worker.phase != WorkerPhase::Accepting || worker.exited || worker.channel_closed;
        });
    if (waiting && !after_.wake_at) broken("a state that waits has no deadline");
    for (const Worker& worker : after_.workers) {
      const bool covered =
          worker.deadline || worker.end_by ||
          (after_.candidate && (worker.generation == after_.candidate->id ||
                                after_.candidate->phase == ReloadPhase::Pausing ||
                                after_.candidate->phase == ReloadPhase::Probation ||
                                after_.candidate->phase == ReloadPhase::Judging));
      if (!covered && worker.phase != WorkerPhase::Accepting) {
        broken("a worker waits without a deadline: " + std::string(to_string(worker.phase)));
      }
      if (!covered && (worker.exited || worker.channel_closed)) {
        broken("a worker that ended in half waits without a deadline");
      }
    }
    if (after_.wake_at == before_.wake_at) return;
    const bool said = std::ranges::any_of(actions_, [&](const FleetAction& action) {
      const auto* wake = std::get_if<WakeAt>(&action);
      return wake != nullptr && wake->when == after_.wake_at;
    });
    if (!said && after_.wake_at) broken("the timer was changed in secret");
  }

  const Fleet& before_;
  const Fleet& after_;
  const std::vector<FleetAction>& actions_;
  TimePoint now_;
  std::vector<std::string> broken_;
};

}  // namespace

std::vector<std::string> check_laws(const Fleet& before, const Fleet& after,
                                    const std::vector<FleetAction>& actions, TimePoint now) {
  return Laws(before, after, actions, now).check();
}

}  // namespace holdfast::supervisor
