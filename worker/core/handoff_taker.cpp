#include "worker/core/handoff_taker.hpp"

#include <utility>

namespace holdfast::worker {
namespace {

using TakerState = HandoffTaker::State;

class TakerStepper {
 public:
  explicit TakerStepper(const HandoffTaker& taker) : t_(taker) {}
  TakerStep take() { return {t_, std::move(actions_)}; }

  void on(const OfferCame& offer) {
    if (t_.state == TakerState::Holding) return leave();  // one at a time
    act(SendAnswer{{offer.batch, offer.acceptable, offer.credit}});
    if (offer.acceptable.empty()) return act(DropHeld{});
    t_.state = TakerState::Holding;
    t_.batch = offer.batch;
    t_.held = offer.acceptable.size();
  }

  void on(const OfferCameTorn& offer) {
    if (t_.state == TakerState::Holding) return leave();
    act(SendAnswer{{offer.batch, {}, 0}});
    act(DropHeld{});
  }

  void on(const ReleaseCame& release) {
    if (t_.state != TakerState::Holding || release.batch != t_.batch) return leave();
    act(Adopt{});
    rest();
  }

  void on(const CancelCame& cancel) {
    if (t_.state != TakerState::Holding || cancel.batch != t_.batch) return;
    act(DropHeld{});
    rest();
  }

  void on(const GiverLost&) { leave(); }

  // The end of the channel refuses whatever is on its way.
  void on(const DrainBegan&) {
    t_.leaving = true;
    if (t_.state == TakerState::Waiting) leave();
  }

 private:
  void act(TakerAction action) { actions_.push_back(std::move(action)); }

  void rest() {
    t_.state = TakerState::Waiting;
    t_.held = 0;
    if (t_.leaving) leave();
  }

  void leave() {
    if (t_.state == TakerState::Holding) act(DropHeld{});
    t_.state = TakerState::Closed;
    t_.held = 0;
    act(LeaveGiver{});
  }

  HandoffTaker t_;
  std::vector<TakerAction> actions_;
};

}  // namespace

TakerStep step(HandoffTaker taker, const TakerEvent& event) {
  if (taker.state == TakerState::Closed) return {taker, {}};
  TakerStepper stepper(taker);
  std::visit([&](const auto& e) { stepper.on(e); }, event);
  return stepper.take();
}

}  // namespace holdfast::worker
