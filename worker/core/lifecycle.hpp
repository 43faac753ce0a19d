// The worker's machine: when it accepts, pauses, drains and leaves. Pure; `now` is an argument. The
// shell (io/server.cpp) performs the actions in order and reports back. docs/states.md has the
// table.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "shared/core/control_message.hpp"
#include "shared/core/time.hpp"

namespace holdfast::worker {

enum class Phase : std::uint8_t { Starting, Ready, Accepting, Paused, Draining, Exited };

// Policy of this worker; fixed once `welcome` has come.
struct LifecyclePolicy {
  Millis stop_timeout{60'000};
  Millis orphan_timeout{600'000};  // 0: for ever
  Millis stop_timeout_max{0};      // less than stop_timeout: the same
  bool sees_progress = true;       // false: nobody knows whether a connection moves bytes
  bool operator==(const LifecyclePolicy&) const = default;
};

// Since the last look nothing moved: stuck. Longer than a client whose packets were lost twice, or
// whose window opens in steps, is silent (RFC 6298: 1 s, 2 s); and a worker that only waits for
// stuck ones does not stay much longer than it must.
inline constexpr Millis kProgressWindow{5'000};

struct Lifecycle {
  LifecyclePolicy policy;
  Phase phase = Phase::Starting;
  bool listening = true;  // our copies of the listeners are open
  bool supervised =
      true;  // somebody is at the other end of the channel (alone: false from the start)
  bool lame_duck = false;
  bool cut = false;       // all that was left was cut
  bool overtime = false;  // stop_timeout struck; what moves bytes goes on
  bool last = false;      // Draining: nobody after us has the listeners that are still open
  DrainReason reason = DrainReason::Reload;
  std::optional<TimePoint> mark_at;    // Draining: progress counts from here on
  std::optional<TimePoint> stop_at;    // Draining: when what does not move is cut, then again
  std::optional<TimePoint> end_at;     // Draining: when what is left is cut
  std::optional<TimePoint> orphan_at;  // when an orphan begins to drain
  bool operator==(const Lifecycle&) const = default;
};

// What happened
// ---------------------------------------------------------------------------------------------------
struct Prepared {};  // listeners are here and the service can serve
struct AcceptTold {};
struct PauseTold {
  std::vector<std::string> except = {};  // listeners that the next generation does not have
};
struct DrainTold {
  DrainReason reason;
  Millis stop_timeout;
  IdlePolicy idle = IdlePolicy::Close;
  Millis stop_timeout_max{0};             // as in the policy
  std::vector<std::string> last_of = {};  // as `except`: accepted from until CloseListenersTold
};
struct LameDuckTold {};
struct CloseListenersTold {
  bool given_back = false;  // who is queued is another generation's
};
struct SupervisorLost {};   // EOF on the channel
struct TermReceived {};     // the operator's SIGTERM to this worker
struct ConnectionsGone {};  // the last connection has closed
struct WorkerTimerFired {};
using WorkerEvent =
    std::variant<Prepared, AcceptTold, PauseTold, LameDuckTold, DrainTold, CloseListenersTold,
                 SupervisorLost, TermReceived, ConnectionsGone, WorkerTimerFired>;

// What to do
// ------------------------------------------------------------------------------------------------------
struct SayReady {};
struct StartAccepting {};                // then say `accepting`
struct PauseAccepting {                  // then say `paused`
  std::vector<std::string> except = {};  // goes on accepting there
};
// Closes our copies of all other listeners, and accepts from these.
struct KeepListening {
  std::vector<std::string> names;
};
// Closes our copies of the listeners, after accepting what is queued if `drain_queue`; `announce`:
// say `listeners_closed`.
struct StopListening {
  bool drain_queue;
  bool announce;
};
struct BeginLameDuck {};  // every response says close, readiness is false
struct BeginDrain {
  DrainReason reason;
  IdlePolicy idle = IdlePolicy::Close;
};                       // say `draining`, tell every connection
struct MarkProgress {};  // remember how far each transfer is
struct CutStuck {};      // cut all but those that moved bytes since; remember again
struct CutConnections {};
struct UseOwnStderr {};  // the pipe to the supervisor is dead
struct FinishWorker {};  // flush the log, say `drained`, exit 0
struct AbandonStart {};  // exit 1: nobody is there to serve for
using WorkerAction = std::variant<SayReady, StartAccepting, PauseAccepting, KeepListening,
                                  StopListening, BeginLameDuck, BeginDrain, MarkProgress, CutStuck,
                                  CutConnections, UseOwnStderr, FinishWorker, AbandonStart>;

struct WorkerView {
  TimePoint now;
  std::size_t connections = 0;
};
struct WorkerStep {
  Lifecycle next;
  std::vector<WorkerAction> actions;
};

WorkerStep step(Lifecycle state, const WorkerEvent& event, const WorkerView& view);

// When WorkerTimerFired is wanted next.
std::optional<TimePoint> wake_at(const Lifecycle& state);

}  // namespace holdfast::worker
