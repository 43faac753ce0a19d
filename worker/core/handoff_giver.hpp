// The giving end of one pair of workers: which of its connections a worker that drains still owns.
// One offer at a time is on its way; until its release is sent it can be taken back, afterwards
// never. Pure: worker/io sends what it says and reports what came of it.
// tests/unit/worker/handoff_test.cpp walks every interleaving of both ends.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "worker/core/handoff_message.hpp"

namespace holdfast::worker {

struct HandoffGiver {
  enum class State : std::uint8_t {
    Opening,    // the taker has not said yet that it takes
    Ready,      // an offer may be made
    Offered,    // its answer is awaited
    Releasing,  // the answer is here, the release on its way
    Closed,     // nothing will be given any more
  };
  State state = State::Opening;
  std::size_t credit = 0;
  std::uint64_t batch = 0;           // of the last offer
  std::uint32_t offered = 0;         // connections in it
  std::vector<std::uint32_t> taken;  // Releasing: those that go
  bool operator==(const HandoffGiver&) const = default;

  bool open() const { return state != State::Closed; }
};

// What happened
// ---------------------------------------------------------------------------------------------
struct OfferSent {  // REQUIRES: Ready; the batch is numbered `batch + 1`
  std::uint32_t connections;
};
struct OfferNotSent {};  // the kernel refused it
struct PeerSaid {
  HandoffMessage message;
};
struct ReleaseSent {};
struct ReleaseNotSent {};
struct PeerLost {};      // EOF, an error, garbage
struct AnswerIsLate {};  // the deadline of Opening and Offered
struct Recalled {};      // a full stop, or the drain's deadline
using GiverEvent = std::variant<OfferSent, OfferNotSent, PeerSaid, ReleaseSent, ReleaseNotSent,
                                PeerLost, AnswerIsLate, Recalled>;

// What to do
// ------------------------------------------------------------------------------------------------
struct SendRelease {};   // answered by ReleaseSent or ReleaseNotSent
struct SendCancel {};    // if it can be sent; the end of the channel says the same
struct KeepConnection {  // it is ours as before
  std::uint32_t place;   // in the offer
};
struct LetGo {  // it is the taker's: close our copy
  std::uint32_t place;
};
struct LeavePeer {    // close the channel
  const char* cause;  // null: nothing is wrong
};
using GiverAction = std::variant<SendRelease, SendCancel, KeepConnection, LetGo, LeavePeer>;

struct GiverStep {
  HandoffGiver next;
  std::vector<GiverAction> actions;
};

GiverStep step(HandoffGiver giver, const GiverEvent& event);

}  // namespace holdfast::worker
