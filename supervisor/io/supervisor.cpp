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

RawJson listeners_json(const std::vector<ListenerInfo>& listeners) {
  RawJson json{"["};
  for (const ListenerInfo& listener : listeners) {
    if (json.text.size() > 1) json.text += ',';
    json.text += R"({"name":")";
    append_json_text(json.text, listener.name);
    json.text += R"(","address":")";
    append_json_text(json.text, listener.address);
    json.text += listener.kept ? R"(","inherited":true})" : R"("})";
  }
  json.text += ']';
  return json;
}

// A pipe or terminal is opened anew for ourselves; the inherited descriptor is shared.
UniqueFd standard_error() {
  auto own = open_log_target("stderr");
  return own ? std::move(*own) : UniqueFd();
}

}  // namespace

Supervisor::Supervisor(OptionSources sources, LoadedOptions first, ListenerSet listeners,
                       UniqueFd access_log, Signals& signals)
    : sources_(std::move(sources)),
      values_(std::move(first.values)),
      options_(std::move(first.options)),
      events_(io_, standard_error()),
      notifier_(io_),
      operators_(io_, host()),
      listeners_(std::move(listeners)),
      access_log_(std::move(access_log)),
      signals_(signals),
      timer_(io_),
      health_timer_(io_),
      fleet_(make_fleet(options_.fleet)) {}

Supervisor::~Supervisor() { signals_.stop(); }

Supervisor::Ended Supervisor::run() {
  report_start();
  signals_.start(io_, [this](const ReceivedSignal& signal) { on_signal(signal); });
  adopt_orphans();
  if (metrics_) metrics_->start();
  answer(Started{});
  notifier_.begin();
  io_.run();
  if (metrics_) metrics_->finish(kLastWords);
  if (!options_.pid_file.empty()) remove_pid_file(options_.pid_file);
  events_.flush_for(kLastWords);
  operators_.server().finish(kLastWords);
  return ended_;
}

void Supervisor::serve_metrics(MetricsPlan plan) {
  MetricsProcess::Callbacks callbacks;
  callbacks.on_connected = [this](UniqueFd end) {
    operators_.server().serve(std::move(end), ControlAccess::ReadOnly);
  };
  callbacks.on_report = [this](const Report& report) {
    if (reaper_) reaper_->look();  // it may have died, and hidden a stranger
    perform(report);
    events_.flush();
  };
  metrics_.emplace(io_, std::move(plan), std::move(callbacks));
}

void Supervisor::report_start() {
  perform(report("started")
              .with("pid", static_cast<std::uint64_t>(::getpid()))
              .with("name", options_.name)
              .with("listeners", listeners_json(listeners_.infos()))
              .with("workers", std::uint64_t{fleet_.wanted}));
  events_.flush();
}

void Supervisor::feed(const FleetEvent& event) {
  auto [next, actions] = step(std::move(fleet_), event, Clock::now());
  fleet_ = std::move(next);
  for (const FleetAction& action : actions) {
    std::visit([this](const auto& todo) { perform(todo); }, action);
  }
  events_.flush();
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

void Supervisor::received(WorkerId id, const ControlMessage& message) {
  std::visit(overloaded{
                 [&](const Hello& hello) {
                   feed(WorkerGreeted{id, hello.protocol, hello.handoff});
                 },
                 [&](const Ready&) { feed(WorkerBecameReady{id}); },
                 [&](const Accepting&) { feed(WorkerAccepted{id}); },
                 [&](const Paused&) { feed(WorkerPaused{id}); },
                 [&](const Draining& draining) {
                   feed(WorkerBeganDrain{id, draining.reason});
                 },
                 [&](const Pong&) { feed(WorkerPonged{id}); },
                 [&](const ListenersClosed&) { feed(WorkerClosedListeners{id}); },
                 [&](const HandoffDone& counts) {
                   feed(WorkerHandedOff{id, counts});
                 },
                 [&](const Drained& counts) {
                   feed(WorkerDrained{id, counts});
                 },
                 [&](const Stats& stats) {
                   if (const WorkerProcess* process = find(id))
                     operators_.heard(id, process->generation(), stats);
                   feed(WorkerLoadChanged{id, stats.connections, stats.in_flight, stats.requests,
                                          stats.responses_5xx});
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
  events_.flush();
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
      (void)reopen_logs();  // what failed was reported
      return events_.flush();
    default:
      perform(warning("signal_ignored").with("signal", std::string(signal_name(signal.number))));
      events_.flush();
  }
}

// Whichever generation a worker is of, it writes to the same file.
Result<void> Supervisor::reopen_logs() {
  if (options_.access_log == "off") return {};
  auto fresh = open_log_target(options_.access_log);
  if (!fresh) {
    perform(failure("logs_not_reopened").with("reason", fresh.error().message));
    return fresh.error();
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
  return {};
}

}  // namespace holdfast::supervisor
