#include "worker/core/handoff_giver.hpp"

#include <algorithm>
#include <utility>

#include "shared/core/overloaded.hpp"

namespace holdfast::worker {
namespace {

using GiverState = HandoffGiver::State;

class GiverStepper {
 public:
  explicit GiverStepper(HandoffGiver giver) : g_(std::move(giver)) {}
  GiverStep take() { return {std::move(g_), std::move(actions_)}; }

  void on(const OfferSent& sent) {
    if (g_.state != GiverState::Ready) return;
    g_.state = GiverState::Offered;
    ++g_.batch;
    g_.offered = sent.connections;
  }
  void on(const OfferNotSent&) { leave("the kernel does not carry them"); }
  void on(const PeerSaid& said) {
    std::visit(overloaded{
                   [&](const OpenPeer& open) { opened(open); },
                   [&](const AnswerOffer& answer) { answered(answer); },
                   [&](const auto&) { leave("it said what only a giver says"); },
               },
               said.message);
  }
  void on(const ReleaseSent&) {
    if (g_.state != GiverState::Releasing) return;
    for (const std::uint32_t place : g_.taken) act(LetGo{place});
    g_.taken.clear();
    g_.offered = 0;
    rest();
  }
  void on(const ReleaseNotSent&) {
    if (g_.state == GiverState::Releasing) leave("it is gone");
  }
  void on(const PeerLost&) { leave("it is gone"); }
  void on(const AnswerIsLate&) {
    if (g_.state == GiverState::Opening || g_.state == GiverState::Offered)
      leave("no answer in time");
  }
  void on(const Recalled&) {
    if (g_.state == GiverState::Offered || g_.state == GiverState::Releasing) act(SendCancel{});
    leave(nullptr);
  }

 private:
  void act(GiverAction action) { actions_.push_back(action); }

  void opened(const OpenPeer& open) {
    if (g_.state != GiverState::Opening) return leave("it opened twice");
    g_.credit = open.credit;
    rest();
  }

  void answered(const AnswerOffer& answer) {
    if (g_.state != GiverState::Offered || answer.batch != g_.batch)
      return leave("it answered what was not offered");
    std::vector<bool> taken(g_.offered);
    for (const std::uint32_t place : answer.taken) {
      if (place >= g_.offered || taken[place]) return leave("it took what was not offered");
      taken[place] = true;
    }
    for (std::uint32_t place = 0; place < g_.offered; ++place) {
      if (!taken[place]) act(KeepConnection{place});
    }
    g_.credit = answer.credit;
    if (answer.taken.empty()) return rest();
    g_.state = GiverState::Releasing;
    g_.taken = answer.taken;
    act(SendRelease{});
  }

  // Between offers.
  void rest() {
    g_.offered = 0;
    g_.state = GiverState::Ready;
    if (g_.credit == 0) leave(nullptr);
  }

  void leave(const char* cause) {
    if (g_.state == GiverState::Closed) return;
    if (g_.state == GiverState::Offered) {
      for (std::uint32_t place = 0; place < g_.offered; ++place) act(KeepConnection{place});
    } else {
      for (const std::uint32_t place : g_.taken) act(KeepConnection{place});
    }
    g_ = {.state = GiverState::Closed, .batch = g_.batch, .taken = {}};
    act(LeavePeer{cause});
  }

  HandoffGiver g_;
  std::vector<GiverAction> actions_;
};

}  // namespace

GiverStep step(HandoffGiver giver, const GiverEvent& event) {
  if (giver.state == GiverState::Closed) return {std::move(giver), {}};
  GiverStepper stepper(std::move(giver));
  std::visit([&](const auto& e) { stepper.on(e); }, event);
  return stepper.take();
}

}  // namespace holdfast::worker
