// The giving side of a worker: connections wait in a queue, and are offered to the workers of the
// next generation in turn. Its source says which, and does what becomes of them; who owns one is
// decided by HandoffGiver. One thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "shared/core/control_message.hpp"
#include "shared/io/unique_fd.hpp"
#include "worker/core/handoff_giver.hpp"
#include "worker/io/handoff_ends.hpp"
#include "worker/io/handoff_loop.hpp"
#include "worker/io/peer_link.hpp"

namespace holdfast::worker {

class HandoffGiving {
 public:
  HandoffGiving(HandoffLoop& loop, HandoffSource& source);
  ~HandoffGiving();

  // Before the drain begins, and during it when yet another generation has come.
  void add(WorkerId taker, UniqueFd link);
  bool possible() const { return !peers_.empty(); }

  // From now on it may be offered, when its turn comes and as its state then allows.
  void queue(HandoffItem& item);
  void forget(HandoffItem& item);  // it closes
  // Offers it at once if some worker is waiting for an offer; false: nothing has happened.
  bool offer_now(HandoffItem& item);

  // Nothing is given from now on. What is offered and not released comes back.
  void recall();

  const HandoffDone& counts() const { return counts_; }

 private:
  struct Offered {
    HandoffItem* item;
    std::optional<TimePoint> deadline;
  };
  struct Peer {
    WorkerId worker;
    HandoffGiver machine;
    std::optional<PeerLink> link;
    std::vector<Offered> offer;
    std::size_t given = 0;
    TimePoint deadline{};
  };

  void pump_soon();
  void pump();
  bool offer(Peer& peer, std::size_t most, HandoffItem* first = nullptr);
  HandoffItem* next_waiting();
  void feed(Peer& peer, const GiverEvent& event);
  void perform(Peer& peer, const GiverAction& action);
  void keep(const Offered& offered);
  void leave(Peer& peer, const char* cause);
  void retire_closed();
  void strike();
  void arm();

  HandoffLoop& loop_;
  HandoffSource& source_;
  std::vector<std::unique_ptr<Peer>> peers_;  // closed ones go soon
  std::deque<HandoffItem*> queue_;            // with holes
  std::size_t first_place_ = 1;               // of the queue's front
  std::size_t waiting_ = 0;
  bool pump_posted_ = false;
  std::optional<TimePoint> alone_until_;  // no taker is left, but another may come
  HandoffDone counts_;
};

}  // namespace holdfast::worker
