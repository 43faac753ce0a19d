// Everything that the fleet can ask of io, in the imperative. Performing one never feeds an event
// back before the whole list is done.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "shared/core/control_message.hpp"
#include "shared/core/exit_code.hpp"
#include "shared/core/ids.hpp"
#include "shared/core/time.hpp"
#include "supervisor/core/report.hpp"

namespace holdfast::supervisor {

// Find the generation's command now; answered by GenerationPrepared or GenerationRefused.
struct PrepareGeneration {
  GenerationId generation;
};
struct ForgetGeneration {  // no worker of it will be started any more
  GenerationId generation;
};
struct StartWorker {
  WorkerId worker;
  GenerationId generation;
};
struct WelcomeWorker {
  WorkerId worker;
  int protocol = 1;
};
struct TellAccept {
  WorkerId worker;
};
struct TellPause {
  WorkerId worker;
  std::vector<std::string> except = {};  // listeners that the candidate does not have
};
struct TellLameDuck {
  WorkerId worker;
};
// A channel of their own, over which the one hands its connections to the other.
struct ConnectPeers {
  WorkerId giver;
  WorkerId taker;
  int records = 1;
};
struct TellDrain {
  WorkerId worker;
  DrainReason reason = DrainReason::Reload;
  Millis stop_timeout{};
  IdlePolicy idle = IdlePolicy::Close;
  Millis stop_timeout_max{};
  std::vector<std::string> last_of = {};  // listeners to accept from until TellCloseListeners
};
struct TellCloseListeners {
  WorkerId worker;
  bool given_back = false;  // another generation accepts from them: the queue is not this one's
};
struct AskStats {  // answered by WorkerLoadChanged
  WorkerId worker;
};
struct PingWorker {  // answered by WorkerPonged, after the stats that were asked for before
  WorkerId worker;
};
struct AbortWorker {  // SIGABRT: its core shows where it hangs
  WorkerId worker;
};
struct MeasureMemory {};  // of every worker; answered by WorkerGrew
struct TerminateWorker {  // SIGTERM
  WorkerId worker;
};
struct KillWorker {  // SIGKILL to its whole process group
  WorkerId worker;
};
struct ReleaseWorker {  // it is gone: free what is kept for it
  WorkerId worker;
};
// Nobody new may come: SYNs are dropped, socket paths unlinked. Who is in the queue stays in it.
// `only_of`: only at the listeners that this generation had and the serving one has not.
struct CloseTheDoor {
  std::optional<GenerationId> only_of = {};
};
struct MeasureQueues {  // answered by QueuesMeasured
  std::optional<GenerationId> only_of = {};
};
struct ShutListeners {  // the supervisor's own, for good
  std::optional<GenerationId> only_of = {};
};
// What became of a reload that somebody waits for. Drained comes after Committed, the others are
// final. The report `reload_done` or `reload_failed` of that generation precedes it.
enum class ReloadOutcome : std::uint8_t {
  Committed,
  Drained,  // and the last worker of the old generation is gone
  Failed,   // the old generation serves on
  Refused,  // its configuration or command is bad; nothing was started
  Superseded,
  Stopped  // the whole service stops
};
struct SettleReload {
  std::uint64_t request = 0;
  ReloadOutcome outcome = ReloadOutcome::Committed;
  std::optional<GenerationId> generation = {};  // nothing: it never got a number
  std::string reason = {};                      // of a failure
};
struct AnnounceServing {};  // the first generation accepts: write the pid file
struct WakeAt {             // nothing: no timer
  std::optional<TimePoint> when;
};
struct Exit {
  ExitCode code = ExitCode::Ok;
  std::string cause;  // what the operator reads behind "holdfast: "; empty when all is well
};

using FleetAction =
    std::variant<PrepareGeneration, ForgetGeneration, StartWorker, WelcomeWorker, TellAccept,
                 TellPause, TellLameDuck, ConnectPeers, TellDrain, TellCloseListeners, AskStats,
                 PingWorker, AbortWorker, MeasureMemory, TerminateWorker, KillWorker, ReleaseWorker,
                 CloseTheDoor, MeasureQueues, ShutListeners, SettleReload, AnnounceServing, Report,
                 WakeAt, Exit>;

}  // namespace holdfast::supervisor
