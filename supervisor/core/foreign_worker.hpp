// A process that knows nothing of the control channel, seen by the fleet as a worker that speaks
// it. Pure: what the fleet says, and what the process does, goes in; what the "worker" answers, and
// the signal that the process gets, comes out. docs/any_language.md has the table.
//
// It accepts as soon as it can and cannot pause: both generations accept in probation. Its listener
// is shared, so what it leaves in the queue is another worker's.
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "shared/core/control_message.hpp"
#include "supervisor/core/fleet_event.hpp"

namespace holdfast::supervisor {

enum class ForeignPhase : std::uint8_t {
  Launched,   // its hello was said for it, the welcome is on its way
  Starting,   // not ready
  Serving,    //
  LastCalls,  // a full stop: it accepts until the queue is empty
  Closing,    // asked to leave at a full stop; it has a moment to close its listeners
  Leaving,    // asked to leave, or says that it does
  Gone
};
inline constexpr std::size_t kForeignPhases = 7;

struct ForeignWorker {
  bool has_probe = false;
  int pid = 0;
  ForeignPhase phase = ForeignPhase::Launched;
  bool ready_early = false;  // before its welcome
  bool proved = false;       // its probe succeeded once
  bool silent = false;       // it said WATCHDOG=1 and does so no more: it answers no ping
  unsigned pings_owed = 0;
  bool operator==(const ForeignWorker&) const = default;
};

struct ForeignLaunched {};
struct ForeignTold {
  ControlMessage message;
};
struct ForeignTerminated {};  // the fleet wants it gone and has nothing to drain
struct ForeignBecameReady {};
struct ForeignProbed {
  std::string failure;  // empty: it is well
};
struct ForeignLives {};          // WATCHDOG=1
struct ForeignFellSilent {};     // the watchdog's time went by without one
struct ForeignHangs {};          // WATCHDOG=trigger
struct ForeignLeaves {};         // STOPPING=1
struct ForeignClosingIsOver {};  // the moment has passed
struct ForeignExited {
  ExitStatus status;
};
using ForeignEvent =
    std::variant<ForeignLaunched, ForeignTold, ForeignTerminated, ForeignBecameReady, ForeignProbed,
                 ForeignLives, ForeignFellSilent, ForeignHangs, ForeignLeaves, ForeignClosingIsOver,
                 ForeignExited>;

struct ForeignSay {  // as if it came over the channel
  ControlMessage message;
};
struct ForeignAskToLeave {};  // the protocol's signal; never sent twice
struct ForeignProbe {};       // answered by ForeignProbed, once or more
struct ForeignAwaitClosing {};
struct ForeignFail {
  std::string cause;
};
using ForeignAction =
    std::variant<ForeignSay, ForeignAskToLeave, ForeignProbe, ForeignAwaitClosing, ForeignFail>;

struct ForeignStep {
  ForeignWorker next;
  std::vector<ForeignAction> actions;
};

ForeignStep step(ForeignWorker worker, const ForeignEvent& event);

}  // namespace holdfast::supervisor
