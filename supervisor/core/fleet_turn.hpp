// One step of the fleet in the making: the value that becomes `next` and the actions so far.
// Internal to fleet*.cpp; lives for one call of step(). Handlers are one overload of on() an event;
// settle() then does what follows from the new state whatever the event was.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/core/fleet.hpp"

namespace holdfast::supervisor {

class FleetTurn {
 public:
  FleetTurn(Fleet& fleet, TimePoint now) : fleet_(fleet), now_(now) {}

  // fleet_reload.cpp
  void on(const Started& event);
  void on(const ReloadRequested& event);
  void on(const GenerationPrepared& event);
  void on(const GenerationRefused& event);
  // fleet_stop.cpp
  void on(const StopRequested& event);
  void on(const QueuesMeasured& event);
  void on(const WorkerClosedListeners& event);
  // fleet_workers.cpp
  void on(const ScaleRequested& event);
  void on(const WorkerGreeted& event);
  void on(const WorkerBecameReady& event);
  void on(const WorkerAccepted& event);
  void on(const WorkerPaused& event);
  void on(const WorkerBeganDrain& event);
  void on(const WorkerDrained& event);
  void on(const WorkerLoadChanged& event);
  // fleet_handoff.cpp
  void on(const WorkerHandedOff& event);
  // fleet_probation.cpp
  void on(const WorkerPonged& event);
  // fleet_health.cpp
  void on(const WorkerGrew& event);
  // fleet_ends.cpp
  void on(const WorkerNotStarted& event);
  void on(const WorkerBrokeProtocol& event);
  void on(const ChannelClosed& event);
  void on(const WorkerExited& event);
  // fleet_deadlines.cpp
  void on(const TimerFired& event);

  void settle();
  std::vector<FleetAction> take_actions() { return std::move(actions_); }

 private:
  void act(FleetAction action) { actions_.push_back(std::move(action)); }

  Worker* find(WorkerId id);
  // What a dead worker had said before is read after its exit; only its counts still matter.
  Worker* find_alive(WorkerId id);
  bool serves(const Worker& worker) const;        // of the serving generation
  bool is_candidate(const Worker& worker) const;  // of the candidate
  bool first_start() const { return !fleet_.serving && fleet_.candidate; }
  std::size_t count(GenerationId generation) const;

  // fleet_workers.cpp: one worker
  void start_worker(GenerationId generation);
  void accept(Worker& worker);
  void drain(Worker& worker, DrainReason reason, std::vector<std::string> last_of = {});
  void terminate(Worker& worker);
  void kill(Worker& worker, const std::string& reason);
  void scale_down();

  // fleet_handoff.cpp
  bool connect_takers(const Worker& giver);
  void connect_givers(const Worker& taker);

  // fleet_reload.cpp
  void open_candidate();
  void advance_candidate();
  void pause_the_serving();
  void commit();
  void settle_request(std::uint64_t request, ReloadOutcome outcome,
                      std::optional<GenerationId> generation = {}, const std::string& reason = {});
  void fail_candidate(const std::string& reason, const Worker* culprit = nullptr,
                      ReloadOutcome outcome = ReloadOutcome::Failed);
  struct Retirement {  // by a reload
    GenerationId successor;
    std::uint64_t request;
    std::uint64_t ready_ms;
  };
  void retire(GenerationId generation, const std::optional<Retirement>& by = {});

  // fleet_probation.cpp
  bool watched() const;     // the candidate is
  bool old_paused() const;  // by a candidate that accepts alone
  bool can_return() const;  // somebody of the serving generation could accept again
  void begin_canary();
  void begin_probation();
  void watch(ReloadPhase phase, Millis time);
  void look();
  void judge();
  void judge_errors();
  void pass_verdict();
  void strike_watched();
  bool goes_on_all_the_same(const std::string& reason, const Worker* culprit);

  // fleet_listeners.cpp
  void close_gone_listeners(GenerationId old);
  void look_at_gone_listeners();
  Closing* find_closing(GenerationId only_of);
  void measured(GenerationId only_of, const QueuesMeasured& event);
  void tell_to_close(Closing& closing, bool given_back = false);
  void strike_closing(Closing& closing);
  std::size_t still_open(const Closing& closing) const;
  void advance_closing();

  // fleet_health.cpp
  void ping(Worker& worker);
  void keep_heartbeats();
  void beat();
  Millis heartbeat_of(const Worker& worker) const;
  void strike_silent(Worker& worker);
  void abort(Worker& worker, const std::string& reason);
  bool may_recycle() const;
  TimePoint retires_at(const Worker& worker) const;
  std::string has_served_enough(const Worker& worker) const;
  void recycle();
  void retire_recycled();
  bool forget_recycling(const Worker& gone);

  // fleet_ends.cpp
  void misbehaved(Worker& worker, const std::string& reason);
  void finish(WorkerId id);
  void replace(const Worker& worker);
  void account(const Worker& worker);
  void close_account(const Retired& retired);

  // fleet_stop.cpp
  void begin_stop(ExitCode code, std::string cause);
  void open_stop(ExitCode code, std::string cause, Millis lame_duck);
  void begin_lame_duck();
  void close_down();
  void close_worker_listeners();
  void shut_listeners();
  void advance_stop();

  // fleet_deadlines.cpp
  void strike(WorkerId id);
  void strike_candidate();
  void strike_stop();

  // fleet.cpp: what follows
  void announce_rollback(bool superseded);
  void give_up_if_hopeless();
  void match_size();
  void fill_vacancies();
  void open_pending_reload();
  void arm();

  Fleet& fleet_;
  const TimePoint now_;
  std::vector<FleetAction> actions_;
};

// Adds how the worker ended: exit_code or signal.
// The counts of a drain, with `cut` by its causes.
Report& with_totals(Report& report, const DrainTotals& totals);

Report& with_status(Report& report, const ExitStatus& status);

std::uint64_t millis_between(TimePoint from, TimePoint to);

}  // namespace holdfast::supervisor
