// The shell around the fleet: signals, channels, exits and one timer become events; actions become
// system calls. feed() is the only door into the decision, and perform() never calls it: answers
// are posted. One io_context, one thread. Never dies of what a worker, a file or a client does.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "shared/core/exit_code.hpp"
#include "shared/core/ids.hpp"
#include "shared/io/unique_fd.hpp"
#include "supervisor/core/fleet.hpp"
#include "supervisor/core/options.hpp"
#include "supervisor/core/ticket_keys.hpp"
#include "supervisor/io/event_log.hpp"
#include "supervisor/io/generation_settings.hpp"
#include "supervisor/io/listener_set.hpp"
#include "supervisor/io/metrics_process.hpp"
#include "supervisor/io/oom_kills.hpp"
#include "supervisor/io/operators.hpp"
#include "supervisor/io/process_launcher.hpp"
#include "supervisor/io/process_memory.hpp"
#include "supervisor/io/service_notifier.hpp"
#include "supervisor/io/signals.hpp"
#include "supervisor/io/stranger_reaper.hpp"
#include "supervisor/io/worker_process.hpp"

namespace holdfast::supervisor {

class Supervisor {
 public:
  struct Ended {
    ExitCode code = ExitCode::Ok;
    std::string cause;  // "cannot <verb> <object>: <cause>", empty when all is well
  };

  // `first`: what `sources` gave at the start. `access_log` is empty when it is off.
  Supervisor(OptionSources sources, LoadedOptions first, ListenerSet listeners, UniqueFd access_log,
             Signals& signals);
  ~Supervisor();

  void serve_metrics(MetricsPlan plan);
  // Operators are heard there from run() on.
  void serve_control(ControlSocketFile socket) { operators_.server().listen(std::move(socket)); }

  // Returns when the last worker is gone.
  Ended run();

 private:
  void feed(const FleetEvent& event);
  void answer(FleetEvent event);  // feeds it later

  void perform(const PrepareGeneration& action);
  void perform(const ForgetGeneration& action);
  void perform(const StartWorker& action);
  void perform(const WelcomeWorker& action);
  void perform(const TellAccept& action);
  void perform(const TellPause& action);
  void perform(const TellLameDuck& action);
  void perform(const ConnectPeers& action);
  void perform(const TellDrain& action);
  void perform(const TellCloseListeners& action);
  void perform(const AskStats& action);
  void perform(const PingWorker& action);
  void perform(const AbortWorker& action);
  void perform(const MeasureMemory& action);
  void perform(const TerminateWorker& action);
  void perform(const KillWorker& action);
  void perform(const ReleaseWorker& action);
  void perform(const CloseTheDoor& action);
  void perform(const MeasureQueues& action);
  void perform(const ShutListeners& action);
  void perform(const SettleReload& action);
  void perform(const AnnounceServing& action);
  void perform(const Report& report);
  void perform(const WakeAt& action);
  void perform(const Exit& action);

  Result<void> launch(const StartWorker& action);
  Result<void> launch_foreign_worker(const StartWorker& action, const GenerationSettings& settings);
  std::size_t free_child_index(WorkerId worker);
  void adopt_orphans();
  void store_listeners();
  void watch_listeners();
  void repair_listeners();
  WorkerProcess::Callbacks callbacks_for(WorkerId worker, GenerationId generation, pid_t pid);
  void received(WorkerId worker, const ControlMessage& message);
  void on_signal(const ReceivedSignal& signal);
  Result<void> reopen_logs();
  Operators::Host host();
  StatusFacts status_facts();
  void report_start();
  void add_label(Report& report) const;
  Result<std::vector<std::string>> prepare(GenerationId generation);
  void renew_ticket_keys();
  void tell(WorkerId worker, const ControlMessage& message);
  WorkerProcess* find(WorkerId worker);

  OptionSources sources_;
  std::vector<OptionValues> values_;  // those in force, of what needs a restart to change
  Options options_;                   // of the start: name, access log, pid file
  boost::asio::io_context io_{1};     // one thread: Asio leaves out its locks
  EventLog events_;
  ServiceNotifier notifier_;
  std::optional<MetricsProcess> metrics_;
  TimePoint started_at_ = Clock::now();
  ProcessMemory memory_;
  Operators operators_;
  ListenerSet listeners_;
  UniqueFd access_log_;
  TicketKeys ticket_keys_;
  OomKills oom_kills_;
  Signals& signals_;
  ProcessLauncher launcher_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer health_timer_;  // while foreign workers live
  bool watching_listeners_ = false;
  std::unique_ptr<StrangerReaper> reaper_;  // as PID 1, or as a subreaper
  std::map<GenerationId, GenerationSettings> settings_;
  std::map<WorkerId, std::unique_ptr<WorkerProcess>> workers_;
  std::map<WorkerId, std::size_t> child_indices_;  // einhorn's
  Fleet fleet_;
  Ended ended_;
};

}  // namespace holdfast::supervisor
