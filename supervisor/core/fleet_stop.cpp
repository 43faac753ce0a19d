// The full stop: perhaps a lame duck first; then nobody new comes, who waits in the queue is
// served, workers drain, the listeners go, and when the last worker is gone so is the supervisor.
#include <algorithm>
#include <utility>

#include "supervisor/core/fleet_turn.hpp"

namespace holdfast::supervisor {

void FleetTurn::on(const StopRequested&) {
  if (!fleet_.stop) {
    const bool serves = fleet_.serving && std::ranges::any_of(fleet_.workers, can_accept);
    const bool lame = serves && fleet_.policy.lame_duck > Millis{0};
    open_stop(ExitCode::Ok, {}, lame ? fleet_.policy.lame_duck : Millis{0});
    lame ? begin_lame_duck() : close_down();
  }
  if (!std::exchange(fleet_.stop->requested, true)) return;
  if (std::exchange(fleet_.stop->at_once, true)) return;
  act(warning("stopping_at_once").with("workers", std::uint64_t{fleet_.workers.size()}));
  for (Worker& worker : fleet_.workers) {
    if (worker.phase == WorkerPhase::Killed || worker.exited) continue;
    if (!worker.ready_at || worker.channel_closed) {
      kill(worker, "stop at once");  // has no connection, or cannot tell
      continue;
    }
    worker.condemned = true;
    worker.deadline = now_ + kLastWordsWithin;
    act(AskStats{worker.id});
  }
  if (fleet_.stop->phase != StopPhase::Leaving) shut_listeners();
}

void FleetTurn::begin_stop(ExitCode code, std::string cause) {
  open_stop(code, std::move(cause), Millis{0});
  close_down();
}

void FleetTurn::open_stop(ExitCode code, std::string cause, Millis lame_duck) {
  act(report("stopping")
          .with("workers", std::uint64_t{fleet_.workers.size()})
          .with("lame_duck_ms", static_cast<std::uint64_t>(lame_duck.count())));
  if (fleet_.candidate && fleet_.serving) {
    act(warning("reload_failed")
            .with("generation", fleet_.candidate->id.value)
            .with("phase", std::string(to_string(fleet_.candidate->phase)))
            .with("reason", std::string("the supervisor stops")));
  }
  settle_request(std::exchange(fleet_.pending_request, 0), ReloadOutcome::Stopped);
  if (fleet_.candidate)
    settle_request(fleet_.candidate->request, ReloadOutcome::Stopped, fleet_.candidate->id);
  fleet_.candidate.reset();
  fleet_.rolling_back.reset();
  fleet_.reload_pending = false;
  fleet_.vacancies.clear();
  Stop stop;
  stop.code = code;
  stop.cause = std::move(cause);
  stop.began_at = stop.drain_at = now_;
  fleet_.stop = std::move(stop);
}

// Balancers see that we are not ready and send their clients elsewhere; who comes all the same is
// served. Nothing is started any more: when nobody accepts, the stop goes on at once.
void FleetTurn::begin_lame_duck() {
  fleet_.stop->phase = StopPhase::LameDuck;
  fleet_.stop->deadline = now_ + fleet_.policy.lame_duck;
  for (Worker& worker : fleet_.workers) {
    if (worker.phase == WorkerPhase::Starting && !worker.exited) terminate(worker);
    if (!can_accept(worker)) continue;
    if (worker.phase != WorkerPhase::Opening && worker.phase != WorkerPhase::Accepting) {
      accept(worker);
    }
    if (worker.phase == WorkerPhase::Opening) {
      worker.deadline = now_ + fleet_.policy.ready_timeout;
    }
    act(TellLameDuck{worker.id});
  }
}

void FleetTurn::close_down() {
  fleet_.stop->phase = StopPhase::EmptyingQueues;
  fleet_.stop->drain_at = now_;
  const bool somebody_accepts = std::ranges::any_of(fleet_.workers, [](const Worker& worker) {
    return can_accept(worker) ||
           (worker.accepts_last && !worker.listeners_closed && !worker.exited);
  });
  // Before anybody drains: a client that comes between the two would be accepted by nobody.
  act(CloseTheDoor{});
  fleet_.closing.clear();
  for (Worker& worker : fleet_.workers) {
    if (can_accept(worker)) {
      if (worker.phase != WorkerPhase::Opening && worker.phase != WorkerPhase::Accepting) {
        accept(worker);
      }
      worker.takes_the_queue = true;
      worker.deadline.reset();
      drain(worker, DrainReason::Shutdown);
    } else if (worker.phase == WorkerPhase::Draining && !worker.exited) {
      // With the listeners that only its generation has it empties the queue as the others do.
      worker.takes_the_queue = worker.accepts_last;
      drain(worker, DrainReason::Shutdown);
    } else if (worker.phase == WorkerPhase::Starting && !worker.exited) {
      terminate(worker);
    }
  }
  if (!somebody_accepts) return shut_listeners();
  fleet_.stop->deadline = now_ + fleet_.policy.syn_wait;
  fleet_.stop->check_at = now_ + kQueueCheckEvery;
  act(MeasureQueues{});
}

// The wait for half-open handshakes is `syn_wait` in all. Connections in the queue are complete for
// their clients, so the wait for them goes on as long as workers take them.
void FleetTurn::on(const QueuesMeasured& event) {
  if (event.only_of) return measured(*event.only_of, event);
  if (!fleet_.stop || fleet_.stop->phase != StopPhase::EmptyingQueues) return;
  Stop& stop = *fleet_.stop;
  if (event.queued == 0 && event.half_open == 0) return close_worker_listeners();
  if (event.queued < stop.queued) stop.deadline = now_ + fleet_.policy.syn_wait;
  stop.queued = event.queued;
  stop.half_open = event.half_open;
}

void FleetTurn::close_worker_listeners() {
  fleet_.stop->phase = StopPhase::ClosingListeners;
  fleet_.stop->check_at.reset();
  fleet_.stop->deadline = now_ + kListenersClosedWithin;
  for (const Worker& worker : fleet_.workers) {
    if (worker.takes_the_queue && !worker.exited) act(TellCloseListeners{worker.id});
  }
}

void FleetTurn::on(const WorkerClosedListeners& event) {
  if (Worker* worker = find(event.worker)) worker->listeners_closed = true;
}

void FleetTurn::shut_listeners() {
  fleet_.stop->phase = StopPhase::Leaving;
  fleet_.stop->check_at.reset();
  fleet_.stop->deadline.reset();
  act(ShutListeners{});
}

void FleetTurn::advance_stop() {
  Stop& stop = *fleet_.stop;
  if (stop.phase == StopPhase::LameDuck) {
    if (std::ranges::any_of(fleet_.workers, can_accept)) return;
    close_down();
  }
  const auto holds_listeners = [](const Worker& worker) {
    return worker.takes_the_queue && !worker.listeners_closed && !worker.exited &&
           !worker.channel_closed && worker.phase == WorkerPhase::Draining;
  };
  if (stop.phase != StopPhase::Leaving && std::ranges::none_of(fleet_.workers, holds_listeners)) {
    shut_listeners();
  }
  if (!fleet_.workers.empty() || stop.phase != StopPhase::Leaving) return;
  const bool clean = stop.totals.lost_nothing() && stop.code == ExitCode::Ok;
  Report end = clean ? report("stopped") : warning("stopped");
  end.with("exit_code", std::int64_t{to_int(stop.code)});
  act(std::move(with_totals(end, stop.totals)
                    .with("drain_ms", millis_between(stop.drain_at, now_))
                    .with("stop_ms", millis_between(stop.began_at, now_))));
  fleet_.wake_at.reset();
  act(WakeAt{});
  act(Exit{stop.code, stop.cause});
  fleet_.finished = true;
}

}  // namespace holdfast::supervisor
