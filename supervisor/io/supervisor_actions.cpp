// What the fleet asks for, done: each action is one call of the kernel or one message.
#include <algorithm>
#include <array>
#include <csignal>
#include <unistd.h>

#include "shared/io/syscall.hpp"
#include "supervisor/io/pid_file.hpp"
#include "supervisor/io/supervisor.hpp"

namespace holdfast::supervisor {
namespace {

// Leaves room for the other fields below PIPE_BUF.
constexpr std::size_t kTailBytes = 2'500;

WallTime wall_now() {
  return std::chrono::time_point_cast<WallTime::duration>(WallTime::clock::now());
}

}  // namespace

void Supervisor::perform(const StartWorker& action) {
  if (auto started = launch(action); !started) {
    return answer(WorkerNotStarted{action.worker, started.error().message});
  }
  perform(report("worker_started").about(action.worker));
}

Result<void> Supervisor::launch(const StartWorker& action) {
  const GenerationSettings& settings = settings_.at(action.generation);
  if (settings.options.foreign.protocol != WorkerProtocol::Native) {
    return launch_foreign_worker(action, settings);
  }
  HOLDFAST_ASSIGN(auto channel, seqpacket_pair());
  HOLDFAST_ASSIGN(auto output, output_pipe());
  HOLDFAST_ASSIGN(LaunchedProcess launched,
                  launcher_.launch(settings.plan, channel.second.get(), output.second.get()));
  auto callbacks = callbacks_for(action.worker, action.generation, launched.pid);
  workers_[action.worker] = std::make_unique<WorkerProcess>(
      io_, action.generation, std::move(launched), std::move(channel.first),
      std::move(output.first), std::move(callbacks));
  return {};
}

void Supervisor::perform(const WelcomeWorker& action) {
  WorkerProcess* process = find(action.worker);
  if (process == nullptr || !settings_.contains(process->generation())) return;
  const Options& options = settings_.at(process->generation()).options;
  Welcome welcome;
  welcome.protocol = action.protocol;
  welcome.generation = process->generation();
  welcome.worker = action.worker;
  welcome.listeners = listeners_.infos(process->generation());
  welcome.label = options.label;
  welcome.options = {options.fleet.stop_timeout, options.fleet.kill_timeout,
                     options.new_grace,          options.idle_grace,
                     options.idle_spread,        options.orphan_timeout};
  if (options.fleet.longest_drain() > options.fleet.stop_timeout)
    welcome.options.stop_timeout_max = options.fleet.longest_drain();
  welcome.ticket_keys = ticket_keys_.newest_first();
  auto fds = listeners_.duplicates(process->generation());
  if (!fds) return answer(WorkerBrokeProtocol{action.worker, fds.error().message});
  const auto add = [&](const char* name, int fd) {
    if (auto copy = duplicate(fd)) {
      welcome.fds.emplace_back(name);
      fds->push_back(std::move(*copy));
    }
  };
  if (access_log_) add("access_log", access_log_.get());
  add("stderr", STDERR_FILENO);
  process->send(welcome, std::move(*fds));
}

void Supervisor::perform(const TellAccept& action) { tell(action.worker, Accept{}); }
void Supervisor::perform(const TellPause& action) { tell(action.worker, Pause{action.except}); }
void Supervisor::perform(const TellLameDuck& action) { tell(action.worker, LameDuck{}); }

// Where it cannot be made, the giver closes what it would have given.
void Supervisor::perform(const ConnectPeers& action) {
  WorkerProcess* giver = find(action.giver);
  WorkerProcess* taker = find(action.taker);
  if (giver == nullptr || taker == nullptr) return;
  auto pair = seqpacket_pair();
  if (!pair) {
    return perform(
        warning("handoff_not_possible").about(action.giver).with("reason", pair.error().message));
  }
  const auto give = [&](WorkerProcess& to, Peer::Role role, WorkerId other, WorkerProcess& of,
                        UniqueFd end) {
    std::vector<UniqueFd> fds;
    fds.push_back(std::move(end));
    to.send(Peer{role, other, of.generation(), action.records}, std::move(fds));
  };
  give(*taker, Peer::Role::Take, action.giver, *giver, std::move(pair->second));
  give(*giver, Peer::Role::Give, action.taker, *taker, std::move(pair->first));
}

void Supervisor::perform(const TellDrain& action) {
  tell(action.worker, Drain{action.reason, action.stop_timeout, action.idle,
                            action.stop_timeout_max, action.last_of});
}
void Supervisor::perform(const TellCloseListeners& action) {
  tell(action.worker, CloseListeners{action.given_back});
}

void Supervisor::perform(const AskStats& action) { tell(action.worker, StatsRequest{}); }

void Supervisor::perform(const PingWorker& action) { tell(action.worker, Ping{}); }

void Supervisor::perform(const MeasureMemory&) {
  for (const Worker& worker : fleet_.workers) {
    WorkerProcess* process = find(worker.id);
    if (process == nullptr || worker.exited) continue;
    answer(WorkerGrew{worker.id, memory_.resident(process->pid(), Clock::now())});
  }
}

void Supervisor::perform(const AbortWorker& action) {
  if (WorkerProcess* process = find(action.worker)) process->signal(SIGABRT);
}

void Supervisor::perform(const TerminateWorker& action) {
  if (WorkerProcess* process = find(action.worker)) process->signal(SIGTERM);
}

void Supervisor::perform(const KillWorker& action) {
  if (WorkerProcess* process = find(action.worker)) process->kill_group();
}

void Supervisor::perform(const ReleaseWorker& action) {
  workers_.erase(action.worker);
  operators_.released(action.worker);
}

void Supervisor::perform(const CloseTheDoor& action) {
  for (const Error& error : listeners_.close_the_door(action.only_of)) {
    perform(warning("door_not_closed").with("reason", error.message));
  }
}

void Supervisor::perform(const MeasureQueues& action) {
  const ListenerSet::Queues queues = listeners_.measure(action.only_of);
  answer(QueuesMeasured{queues.queued, queues.half_open, action.only_of, queues.claimed,
                        queues.given_back});
}

void Supervisor::perform(const ShutListeners& action) { listeners_.shut(action.only_of); }

void Supervisor::perform(const SettleReload& action) { operators_.settled(action); }

void Supervisor::perform(const AnnounceServing&) {
  if (options_.pid_file.empty()) return;
  if (auto written = write_pid_file(options_.pid_file); !written) {
    perform(warning("pid_file_not_written").with("reason", written.error().message));
  }
}

// What a generation is called belongs to its beginning and its verdict.
void Supervisor::add_label(Report& report) const {
  constexpr std::array<std::string_view, 3> kVerdicts{"serving", "reload_done", "reload_failed"};
  if (std::ranges::find(kVerdicts, report.event) == kVerdicts.end()) return;
  for (const auto& [key, value] : report.fields) {
    const auto* generation = std::get_if<std::uint64_t>(&value);
    if (key != "generation" || generation == nullptr) continue;
    const auto settings = settings_.find(GenerationId{*generation});
    if (settings == settings_.end() || settings->second.options.label.empty()) return;
    return void(report.with("label", settings->second.options.label));
  }
}

void Supervisor::perform(const Report& decided) {
  Report full{decided.severity, decided.event, {}};
  if (decided.worker) {
    if (WorkerProcess* process = find(*decided.worker)) {
      const bool named = !decided.fields.empty() && decided.fields.front().first == "generation";
      if (!named) full.with("generation", process->generation().value);
      full.with("worker", decided.worker->value)
          .with("pid", static_cast<std::uint64_t>(process->pid()));
      if (decided.with_stderr_tail) process->output().drain_now();
    }
  }
  full.fields.insert(full.fields.end(), decided.fields.begin(), decided.fields.end());
  add_label(full);
  if (decided.worker && decided.with_stderr_tail) {
    if (WorkerProcess* process = find(*decided.worker)) {
      full.with("stderr_tail", lines_json(process->output().tail(), kTailBytes));
    }
  }
  const WallTime now = wall_now();
  const std::string line = to_json_line(full, now);
  events_.add(line);
  operators_.reported(full, line, now);
  notifier_.tell(decided);
  if (decided.event == "serving" || decided.event == "reload_done") store_listeners();
}

void Supervisor::perform(const WakeAt& action) {
  timer_.cancel();
  if (!action.when) return;
  timer_.expires_at(*action.when);
  timer_.async_wait([this](boost::system::error_code cancelled) {
    if (!cancelled) feed(TimerFired{});
  });
}

void Supervisor::perform(const Exit& action) {
  ended_ = {action.code, action.cause};
  io_.stop();
}

}  // namespace holdfast::supervisor
