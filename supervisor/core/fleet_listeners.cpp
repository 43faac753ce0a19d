// Listeners that a reload took away: as in a full stop, nobody new may come, who is queued is
// served by the old workers, then they close.
#include <algorithm>

#include "supervisor/core/fleet_turn.hpp"

namespace holdfast::supervisor {

// REQUIRES: its workers were told to drain.
void FleetTurn::close_gone_listeners(GenerationId old) {
  fleet_.closing.push_back({old, false, now_ + fleet_.policy.syn_wait, now_ + kQueueCheckEvery});
}

Closing* FleetTurn::find_closing(GenerationId only_of) {
  const auto found = std::ranges::find(fleet_.closing, only_of, &Closing::only_of);
  return found == fleet_.closing.end() ? nullptr : &*found;
}

void FleetTurn::measured(GenerationId only_of, const QueuesMeasured& event) {
  Closing* closing = find_closing(only_of);
  if (closing == nullptr || closing->told) return;
  if (event.given_back) return tell_to_close(*closing, true);
  // Who is told to close takes all that are queued, and after the commit they are not its own.
  if (event.queued == 0 && event.half_open == 0 && !event.claimed) return tell_to_close(*closing);
  if (event.queued < closing->queued || event.claimed)
    closing->deadline = now_ + fleet_.policy.syn_wait;
  closing->queued = event.queued;
  closing->half_open = event.half_open;
}

// The serving generation may have been given some of them back.
void FleetTurn::look_at_gone_listeners() {
  for (const Closing& closing : fleet_.closing) {
    if (!closing.told) act(MeasureQueues{closing.only_of});
  }
}

void FleetTurn::tell_to_close(Closing& closing, bool given_back) {
  closing.told = true;
  closing.check_at.reset();
  closing.deadline = now_ + kListenersClosedWithin;
  for (const Worker& worker : fleet_.workers) {
    if (worker.generation == closing.only_of && worker.accepts_last && !worker.exited)
      act(TellCloseListeners{worker.id, given_back});
  }
}

void FleetTurn::strike_closing(Closing& closing) {
  if (closing.check_at && *closing.check_at <= now_) {
    closing.check_at = now_ + kQueueCheckEvery;
    act(MeasureQueues{closing.only_of});
  }
  if (closing.deadline > now_) return;
  if (closing.told) {
    act(warning("listeners_not_closed")
            .with("generation", closing.only_of.value)
            .with("workers", std::uint64_t{still_open(closing)}));
    for (Worker& worker : fleet_.workers) {
      if (worker.generation == closing.only_of) worker.listeners_closed = true;
    }
    return;  // settle() shuts them
  }
  act(warning("queues_not_empty")
          .with("generation", closing.only_of.value)
          .with("queued", closing.queued)
          .with("half_open", closing.half_open));
  for (Retired& retired : fleet_.retired) {
    if (retired.id == closing.only_of) retired.totals.refused += closing.queued + closing.half_open;
  }
  tell_to_close(closing);
}

std::size_t FleetTurn::still_open(const Closing& closing) const {
  return static_cast<std::size_t>(std::ranges::count_if(fleet_.workers, [&](const Worker& worker) {
    return worker.generation == closing.only_of && worker.accepts_last &&
           !worker.listeners_closed && !worker.exited && !worker.channel_closed &&
           worker.phase == WorkerPhase::Draining;
  }));
}

void FleetTurn::advance_closing() {
  for (const Closing& closing : fleet_.closing) {
    if (still_open(closing) == 0) act(ShutListeners{closing.only_of});
  }
  std::erase_if(fleet_.closing, [&](const Closing& closing) { return still_open(closing) == 0; });
}

}  // namespace holdfast::supervisor
