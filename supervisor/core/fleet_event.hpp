// Everything that can happen to the fleet, in the past tense. io makes these and decides nothing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "shared/core/control_message.hpp"
#include "shared/core/ids.hpp"
#include "supervisor/core/fleet_policy.hpp"

namespace holdfast::supervisor {

// How a process ended: by a signal, or with a code.
struct ExitStatus {
  std::optional<int> signal = {};
  int code = 0;
  bool oom_killed = false;  // by SIGKILL, while the kernel killed for memory
  bool operator==(const ExitStatus&) const = default;
};

struct Started {};            // the supervisor is up: its listeners are bound
struct ReloadRequested {      // HUP, or an operator who waits for the verdict
  std::uint64_t request = 0;  // names the waiting one in SettleReload; 0: nobody waits
};
struct StopRequested {};  // TERM, INT, QUIT
struct ScaleRequested {   // TTIN, TTOU, or an operator
  int delta = 1;
  std::optional<std::size_t> to = {};  // instead of delta
};
struct GenerationPrepared {  // its configuration was read and its command was found
  GenerationId generation;
  std::optional<FleetPolicy> policy = {};        // nothing: the one in use
  std::vector<std::string> gone_listeners = {};  // those in use that it does not have
};
struct GenerationRefused {  // nothing was started
  GenerationId generation;
  std::string cause;  // "cannot run ./service: No such file or directory"
};
struct WorkerNotStarted {  // fork or exec failed; there is no process
  WorkerId worker;
  std::string cause;
};
struct WorkerGreeted {  // hello
  WorkerId worker;
  ProtocolRange protocol;
  std::optional<ProtocolRange> handoff = {};
};
struct WorkerBecameReady {
  WorkerId worker;
};
struct WorkerAccepted {  // it says `accepting`
  WorkerId worker;
};
struct WorkerPaused {
  WorkerId worker;
};
struct WorkerBeganDrain {  // also unasked
  WorkerId worker;
  DrainReason reason = DrainReason::Operator;
};
struct WorkerClosedListeners {
  WorkerId worker;
};
struct WorkerHandedOff {
  WorkerId worker;
  HandoffDone counts;
};
struct WorkerDrained {
  WorkerId worker;
  Drained counts;
};
struct WorkerLoadChanged {  // stats
  WorkerId worker;
  std::uint64_t connections = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t requests = 0;  // since it began
  std::uint64_t responses_5xx = 0;
};
struct WorkerPonged {
  WorkerId worker;
};
struct WorkerGrew {  // its resident memory was measured
  WorkerId worker;
  std::uint64_t rss = 0;  // bytes
};
struct WorkerBrokeProtocol {  // garbage on the channel; it is not listened to again
  WorkerId worker;
  std::string cause;
};
struct ChannelClosed {  // EOF
  WorkerId worker;
};
struct WorkerExited {
  WorkerId worker;
  ExitStatus status;
};
struct QueuesMeasured {         // the answer to MeasureQueues, and of the same listeners
  std::uint64_t queued = 0;     // connections that wait to be accepted
  std::uint64_t half_open = 0;  // handshakes that wait for the client's ACK (SYN_RECV)
  std::optional<GenerationId> only_of = {};
  bool claimed = false;     // the candidate has some of them, and may commit
  bool given_back = false;  // the serving generation has all of them
};
struct TimerFired {};

using FleetEvent =
    std::variant<Started, ReloadRequested, StopRequested, ScaleRequested, GenerationPrepared,
                 GenerationRefused, WorkerNotStarted, WorkerGreeted, WorkerBecameReady,
                 WorkerAccepted, WorkerPaused, WorkerBeganDrain, WorkerClosedListeners,
                 WorkerHandedOff, WorkerDrained, WorkerLoadChanged, WorkerPonged, WorkerGrew,
                 WorkerBrokeProtocol, ChannelClosed, WorkerExited, QueuesMeasured, TimerFired>;

}  // namespace holdfast::supervisor
