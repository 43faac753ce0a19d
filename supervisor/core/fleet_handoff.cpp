// Who gives connections to whom when a generation leaves.
#include <algorithm>

#include "supervisor/core/fleet_turn.hpp"

namespace holdfast::supervisor {

// With the workers that serve from now on; false where none can take connections from it.
bool FleetTurn::connect_takers(const Worker& giver) {
  if (fleet_.policy.idle != IdlePolicy::Handoff || !giver.handoff) return false;
  std::vector<ConnectPeers> pairs;
  for (const Worker& taker : fleet_.workers) {
    if (!serves(taker) || taker.exited || taker.leaving || !taker.handoff) continue;
    if (taker.phase != WorkerPhase::Accepting) continue;
    if (const auto records = common_protocol(*giver.handoff, *taker.handoff))
      pairs.push_back({giver.id, taker.id, *records});
  }
  for (std::size_t i = 0; i < std::min(pairs.size(), kMaxTakers); ++i)
    act(pairs[(giver.id.value + i) % pairs.size()]);
  return !pairs.empty();
}

// It serves from now on, in the place of one that crashed: whoever gives connections to that one
// has to know.
void FleetTurn::connect_givers(const Worker& taker) {
  if (!taker.handoff) return;
  for (const Worker& giver : fleet_.workers) {
    if (!giver.hands_off || giver.exited || giver.phase != WorkerPhase::Draining) continue;
    if (const auto records = common_protocol(*giver.handoff, *taker.handoff))
      act(ConnectPeers{giver.id, taker.id, *records});
  }
}

void FleetTurn::on(const WorkerHandedOff& event) {
  if (find(event.worker) == nullptr) return;
  act(report("handoff_done")
          .about(event.worker)
          .with("sent", event.counts.sent)
          .with("taken", event.counts.taken)
          .with("returned", event.counts.returned));
}

}  // namespace holdfast::supervisor
