#include "supervisor/io/supervisor.hpp"

#include <csignal>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "shared/core/overloaded.hpp"
#include "shared/io/log_target.hpp"
#include "shared/io/syscall.hpp"
#include "supervisor/io/pid_file.hpp"

namespace holdfast::supervisor {
namespace {

// A slow reader of events gets this long at exit: enough for a busy one, nothing for a dead one.
constexpr Millis kLastWords{1'000};

// Leaves room for the other fields below PIPE_BUF.
constexpr std::size_t kTailBytes = 2'500;

RawJson listeners_json(const std::vector<ListenerInfo>& listeners) {
  RawJson json{"["};
  for (const ListenerInfo& listener : listeners) {
    if (json.text.size() > 1) json.text += ',';
    json.text += R"({"name":")";
    append_json_text(json.text, listener.name);
    json.text += R"(","address":")";
    append_json_text(json.text, listener.address);
    json.text += R"("})";
  }
  json.text += ']';
  return json;
}

WallTime wall_now() {
  return std::chrono::time_point_cast<WallTime::duration>(WallTime::clock::now());
}

}  // namespace

Supervisor::Supervisor(Options options, ListenerSet listeners, UniqueFd access_log,
                       Signals& signals)
    : options_(std::move(options)),
      events_(EventLog::to_stderr(io_)),
      listeners_(std::move(listeners)),
      access_log_(std::move(access_log)),
      signals_(signals),
      timer_(io_),
      fleet_(make_fleet(options_.fleet)) {}

Supervisor::~Supervisor() { signals_.stop(); }

Supervisor::Ended Supervisor::run() {
  report_start();
  signals_.start(io_, [this](const ReceivedSignal& signal) { on_signal(signal); });
  answer(Started{});
  io_.run();
  if (!options_.pid_file.empty()) remove_pid_file(options_.pid_file);
  events_.flush_for(kLastWords);
  return ended_;
}

void Supervisor::report_start() {
  perform(report("started")
              .with("pid", static_cast<std::uint64_t>(::getpid()))
              .with("name", options_.name)
              .with("listeners", listeners_json(listeners_.infos()))
              .with("workers", std::uint64_t{fleet_.wanted}));
}

void Supervisor::feed(const FleetEvent& event) {
  auto [next, actions] = step(std::move(fleet_), event, Clock::now());
  fleet_ = std::move(next);
  for (const FleetAction& action : actions) {
    std::visit([this](const auto& todo) { perform(todo); }, action);
  }
}

void Supervisor::answer(FleetEvent event) {
  boost::asio::post(io_, [this, event = std::move(event)] { feed(event); });
}

WorkerProcess* Supervisor::find(WorkerId worker) {
  const auto found = workers_.find(worker);
  return found == workers_.end() ? nullptr : found->second.get();
}

void Supervisor::tell(WorkerId worker, const ControlMessage& message) {
  if (WorkerProcess* process = find(worker)) process->send(message);
}

// Actions
// ---------------------------------------------------------------------------------------

void Supervisor::perform(const PrepareGeneration& action) {
  auto plan = make_launch_plan(options_.command, options_.cwd);
  if (!plan) return answer(GenerationRefused{action.generation, plan.error().message});
  plans_[action.generation] = std::move(*plan);
  answer(GenerationPrepared{action.generation});
}

void Supervisor::perform(const ForgetGeneration& action) { plans_.erase(action.generation); }

void Supervisor::perform(const StartWorker& action) {
  if (auto started = launch(action); !started) {
    return answer(WorkerNotStarted{action.worker, started.error().message});
  }
  perform(report("worker_started").about(action.worker));
}

Result<void> Supervisor::launch(const StartWorker& action) {
  HOLDFAST_ASSIGN(auto channel, seqpacket_pair());
  HOLDFAST_ASSIGN(auto output, output_pipe());
  HOLDFAST_ASSIGN(
      LaunchedProcess launched,
      launcher_.launch(plans_.at(action.generation), channel.second.get(), output.second.get()));
  const WorkerId id = action.worker;
  const GenerationId generation = action.generation;
  const pid_t pid = launched.pid;
  WorkerProcess::Callbacks callbacks;
  callbacks.channel.on_message = [this, id](const ControlMessage& message,
                                            const std::vector<UniqueFd>&) {
    received(id, message);
  };
  callbacks.channel.on_closed = [this, id](const std::optional<Error>& error) {
    if (error) return feed(WorkerBrokeProtocol{id, error->message});
    feed(ChannelClosed{id});
  };
  callbacks.on_line = [this, id, generation, pid](std::string_view line, bool truncated) {
    events_.write_output(worker_output_line(generation, id, pid, line, truncated, wall_now()));
  };
  callbacks.on_exit = [this, id](ExitStatus status) { feed(WorkerExited{id, status}); };
  workers_[id] = std::make_unique<WorkerProcess>(io_, generation, std::move(launched),
                                                 std::move(channel.first), std::move(output.first),
                                                 std::move(callbacks));
  return {};
}

void Supervisor::perform(const WelcomeWorker& action) {
  WorkerProcess* process = find(action.worker);
  if (process == nullptr) return;
  Welcome welcome;
  welcome.protocol = action.protocol;
  welcome.generation = process->generation();
  welcome.worker = action.worker;
  welcome.listeners = listeners_.infos();
  welcome.options = {options_.fleet.stop_timeout, options_.fleet.kill_timeout, options_.new_grace,
                     options_.idle_grace, options_.orphan_timeout};
  auto fds = listeners_.duplicates();
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
void Supervisor::perform(const TellPause& action) { tell(action.worker, Pause{}); }
void Supervisor::perform(const TellDrain& action) {
  tell(action.worker, Drain{action.reason, action.stop_timeout, IdlePolicy::Close});
}
void Supervisor::perform(const TellCloseListeners& action) {
  tell(action.worker, CloseListeners{});
}

void Supervisor::perform(const TerminateWorker& action) {
  if (WorkerProcess* process = find(action.worker)) process->terminate();
}

void Supervisor::perform(const KillWorker& action) {
  if (WorkerProcess* process = find(action.worker)) process->kill_group();
}

void Supervisor::perform(const ReleaseWorker& action) { workers_.erase(action.worker); }

void Supervisor::perform(const CloseTheDoor&) {
  for (const Error& error : listeners_.close_the_door()) {
    perform(warning("door_not_closed").with("reason", error.message));
  }
}

void Supervisor::perform(const MeasureQueues&) {
  const ListenerSet::Queues queues = listeners_.measure();
  answer(QueuesMeasured{queues.queued, queues.half_open});
}

void Supervisor::perform(const ShutListeners&) { listeners_.shut(); }

void Supervisor::perform(const AnnounceServing&) {
  if (options_.pid_file.empty()) return;
  if (auto written = write_pid_file(options_.pid_file); !written) {
    perform(warning("pid_file_not_written").with("reason", written.error().message));
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
  if (decided.worker && decided.with_stderr_tail) {
    if (WorkerProcess* process = find(*decided.worker)) {
      full.with("stderr_tail", lines_json(process->output().tail(), kTailBytes));
    }
  }
  events_.write(to_json_line(full, wall_now()));
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

// Events
// ---------------------------------------------------------------------------------------

void Supervisor::received(WorkerId id, const ControlMessage& message) {
  std::visit(overloaded{
                 [&](const Hello& hello) {
                   feed(WorkerGreeted{id, hello.protocol});
                 },
                 [&](const Ready&) { feed(WorkerBecameReady{id}); },
                 [&](const Accepting&) { feed(WorkerAccepted{id}); },
                 [&](const Paused&) { feed(WorkerPaused{id}); },
                 [&](const Draining& draining) {
                   feed(WorkerBeganDrain{id, draining.reason});
                 },
                 [&](const ListenersClosed&) { feed(WorkerClosedListeners{id}); },
                 [&](const Drained& counts) {
                   feed(WorkerDrained{id, counts});
                 },
                 [&](const Stats& stats) {
                   feed(WorkerLoadChanged{id, stats.connections, stats.in_flight});
                 },
                 [](const auto&) {},  // what a newer worker may say, and what only we may say
             },
             message);
}

void Supervisor::on_signal(const ReceivedSignal& signal) {
  Report received =
      report("signal_received").with("signal", std::string(signal_name(signal.number)));
  if (signal.sender_pid != 0) {
    received.with("sender_pid", static_cast<std::uint64_t>(signal.sender_pid))
        .with("sender_uid", std::uint64_t{signal.sender_uid});
  }
  perform(received);
  switch (signal.number) {
    case SIGHUP:
      return feed(ReloadRequested{});
    case SIGTERM:
    case SIGINT:
    case SIGQUIT:
      return feed(StopRequested{});
    case SIGTTIN:
      return feed(ScaleRequested{+1});
    case SIGTTOU:
      return feed(ScaleRequested{-1});
    case SIGUSR1:
      return reopen_logs();
    default:
      perform(warning("signal_ignored").with("signal", std::string(signal_name(signal.number))));
  }
}

// Whichever generation a worker is of, it writes to the same file.
void Supervisor::reopen_logs() {
  if (options_.access_log == "off") return;
  auto fresh = open_log_target(options_.access_log);
  if (!fresh) {
    return perform(failure("logs_not_reopened").with("reason", fresh.error().message));
  }
  access_log_ = std::move(*fresh);
  for (const Worker& worker : fleet_.workers) {
    WorkerProcess* process = find(worker.id);
    if (!worker.welcomed || process == nullptr) continue;
    auto copy = duplicate(access_log_.get());
    if (!copy) {
      perform(failure("logs_not_reopened").about(worker.id).with("reason", copy.error().message));
      continue;
    }
    std::vector<UniqueFd> fds;
    fds.push_back(std::move(*copy));
    process->send(ReopenLogs{{"access_log"}}, std::move(fds));
  }
  perform(report("logs_reopened").with("access_log", options_.access_log));
}

}  // namespace holdfast::supervisor
