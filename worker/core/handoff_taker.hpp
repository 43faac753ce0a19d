// The taking end of one pair of workers. What was offered is held, and not a byte of it is read,
// until it is released; then it is ours. Pure: worker/io sends what it says.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "worker/core/handoff_message.hpp"

namespace holdfast::worker {

struct HandoffTaker {
  enum class State : std::uint8_t {
    Waiting,  // nothing is held
    Holding,  // an offer was taken; it is the giver's until its release comes
    Closed,
  };
  State state = State::Waiting;
  bool leaving = false;  // we drain: what is held may still be released, nothing new is taken
  std::uint64_t batch = 0;
  std::size_t held = 0;
  bool operator==(const HandoffTaker&) const = default;
};

// What happened
// ---------------------------------------------------------------------------------------------
struct OfferCame {
  std::uint64_t batch = 0;
  std::vector<std::uint32_t> acceptable;  // places of those that we can serve
  std::size_t credit = 0;                 // how many more we could take behind them
};
struct OfferCameTorn {  // MSG_CTRUNC: some descriptors did not arrive
  std::uint64_t batch = 0;
};
struct ReleaseCame {
  std::uint64_t batch = 0;
};
struct CancelCame {
  std::uint64_t batch = 0;
};
struct GiverLost {};   // EOF, an error, garbage
struct DrainBegan {};  // ours
using TakerEvent =
    std::variant<OfferCame, OfferCameTorn, ReleaseCame, CancelCame, GiverLost, DrainBegan>;

// What to do
// ------------------------------------------------------------------------------------------------
struct SendAnswer {
  AnswerOffer answer;
};
struct Adopt {};       // what is held is ours from now on
struct DropHeld {};    // close our copies; the giver has its own
struct LeaveGiver {};  // close the channel
using TakerAction = std::variant<SendAnswer, Adopt, DropHeld, LeaveGiver>;

struct TakerStep {
  HandoffTaker next;
  std::vector<TakerAction> actions;
};

TakerStep step(HandoffTaker taker, const TakerEvent& event);

}  // namespace holdfast::worker
