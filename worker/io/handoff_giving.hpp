// The giving side of a worker: connections wait in a queue, and are offered to the workers of the
// next generation in turn. Sessions says which, and does what becomes of them; who owns one is
// decided by HandoffGiver. One thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "shared/core/control_message.hpp"
#include "shared/io/unique_fd.hpp"
#include "worker/core/handoff_giver.hpp"
#include "worker/io/loop_clock.hpp"
#include "worker/io/peer_link.hpp"

namespace holdfast::worker {

class Sessions;
struct Connection;

class HandoffGiving {
 public:
  HandoffGiving(boost::asio::io_context& io, LoopClock& clock, Sessions& sessions);
  ~HandoffGiving();

  // Before the drain begins, and during it when yet another generation has come.
  void add(WorkerId taker, UniqueFd link);
  bool possible() const { return !peers_.empty(); }

  // From now on it may be offered, when its turn comes and as its state then allows.
  void queue(Connection& connection);
  void forget(Connection& connection);  // it closes
  // Offers it at once if some worker is waiting for an offer; false: nothing has happened.
  bool offer_now(Connection& connection);

  // Nothing is given from now on. What is offered and not released comes back.
  void recall();

  const HandoffDone& counts() const { return counts_; }

 private:
  struct Offered {
    Connection* connection;
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
  bool offer(Peer& peer, std::size_t most, Connection* first = nullptr);
  Connection* next_waiting();
  void feed(Peer& peer, const GiverEvent& event);
  void perform(Peer& peer, const GiverAction& action);
  void keep(const Offered& offered);
  void leave(Peer& peer, const char* cause);
  void retire_closed();
  void strike();
  void arm();

  boost::asio::io_context& io_;
  LoopClock& clock_;
  Sessions& sessions_;
  std::vector<std::unique_ptr<Peer>> peers_;  // closed ones go soon
  std::deque<Connection*> queue_;             // with holes
  std::size_t first_place_ = 1;               // of the queue's front
  std::size_t waiting_ = 0;
  bool pump_posted_ = false;
  std::optional<TimePoint> alone_until_;  // no taker is left, but another may come
  HandoffDone counts_;
  LoopTimer timer_;
};

}  // namespace holdfast::worker
