// The taking side of a worker: what older workers offer is held unread until it is released, and
// then served like what was accepted here. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "shared/core/ids.hpp"
#include "shared/io/unique_fd.hpp"
#include "worker/core/handoff_taker.hpp"
#include "worker/io/handoff_ends.hpp"
#include "worker/io/handoff_loop.hpp"
#include "worker/io/peer_link.hpp"

namespace holdfast::worker {

class HandoffTaking {
 public:
  // `on_settled` runs, not from inside a call, when what was held during a drain is held no more.
  HandoffTaking(HandoffLoop& loop, HandoffSink& sink, std::function<void()> on_settled);

  void add(WorkerId giver, UniqueFd link);
  void begin_drain();  // nothing new is taken
  // The drain's deadline: what is released is adopted, and what is not is left to its givers.
  void end();

  std::size_t held() const;  // connections whose owner we may become

 private:
  struct Held {
    UniqueFd fd;
    CarriedConnection connection;
  };
  struct Giver {
    WorkerId worker;
    HandoffTaker machine;
    std::optional<PeerLink> link;
    std::uint64_t generation = 0;  // as its last offer said
    std::vector<Held> held;
  };

  void received(Giver& giver, PeerLink::Received received);
  void feed(Giver& giver, const TakerEvent& event);
  OfferCame look_at(Giver& giver, Offer offer, std::vector<UniqueFd> fds);
  std::size_t room() const;
  void settle_soon();

  HandoffLoop& loop_;
  HandoffSink& sink_;
  std::function<void()> on_settled_;
  std::size_t own_descriptors_ = 0;  // those that are no connections
  std::vector<std::unique_ptr<Giver>> givers_;
  bool draining_ = false;
  bool settle_posted_ = false;
};

}  // namespace holdfast::worker
