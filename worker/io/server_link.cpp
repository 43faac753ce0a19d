// The worker's end of the control channel: what the supervisor says, and what is said to it.
#include <signal.h>
#include <unistd.h>

#include "holdfast/version.h"
#include "shared/core/overloaded.hpp"
#include "worker/io/server_impl.hpp"

namespace holdfast::worker {
namespace {

// Unless the service has a use for it.
void ignore_by_default(int signal) {
  struct sigaction current {};
  if (::sigaction(signal, nullptr, &current) == 0 && current.sa_handler == SIG_DFL)
    ::signal(signal, SIG_IGN);
}

constexpr Millis kStatsEvery{1'000};

}  // namespace

void Server::Impl::start_supervised(UniqueFd channel) {
  signals_.emplace(io_, SIGTERM);
  wait_for_signals();
  ignore_by_default(SIGUSR1);  // `pkill -USR1`, meant for the supervisor, must not kill its workers
  ignore_by_default(SIGUSR2);
  sessions_.on_count = [this] { report_stats_soon(); };
  channel_.emplace(
      io_, std::move(channel),
      ControlChannel::Callbacks{[this](const ControlMessage& message, std::vector<UniqueFd> fds) {
                                  on_message(message, std::move(fds));
                                },
                                [this](const std::optional<Error>& error) {
                                  if (error) report(error->message);
                                  channel_.reset();
                                  feed(SupervisorLost{});
                                }});
  say(Hello{
      kProtocol, static_cast<int>(::getpid()), "holdfast_worker " HOLDFAST_VERSION_STRING, {}});
}

void Server::Impl::on_message(const ControlMessage& message, std::vector<UniqueFd> fds) {
  std::visit(overloaded{
                 [&](const Welcome& m) { on_welcome(m, std::move(fds)); },
                 [&](const Accept&) { feed(AcceptTold{}); },
                 [&](const Pause&) { feed(PauseTold{}); },
                 [&](const Drain& m) {
                   feed(DrainTold{m.reason, m.stop_timeout});
                 },
                 [&](const holdfast::CloseListeners&) { feed(CloseListenersTold{}); },
                 [&](const ReopenLogs& m) { take_logs(m.fds, std::move(fds)); },
                 [&](const Ping&) { say(Pong{}); },
                 [&](const StatsRequest&) { say(sessions_.stats()); },
                 [](const auto&) {},
             },
             message);
}

void Server::Impl::on_welcome(const Welcome& welcome, std::vector<UniqueFd> fds) {
  sessions_.set_identity({welcome.generation.value, welcome.worker.value});
  const WorkerOptions& given = welcome.options;
  options_.stop_timeout = given.stop_timeout.value_or(options_.stop_timeout);
  options_.kill_timeout = given.kill_timeout.value_or(options_.kill_timeout);
  options_.new_grace = given.new_grace.value_or(options_.new_grace);
  options_.idle_grace = given.idle_grace.value_or(options_.idle_grace);
  options_.orphan_timeout = given.orphan_timeout.value_or(options_.orphan_timeout);
  use_policy();
  if (tls_) tls_->use_ticket_keys(welcome.ticket_keys);
  std::vector<std::string_view> names;
  for (const ListenerInfo& listener : welcome.listeners) names.push_back(listener.name);
  if (const auto checked = check_listener_names(options_, names); !checked) {
    report(checked.error().message);
    result_.failure = to_failure(checked.error());
    exit_code_ = 1;
    return io_.stop();
  }
  for (std::size_t i = 0; i < welcome.listeners.size(); ++i) {
    const ListenerInfo& listener = welcome.listeners[i];
    addresses_.push_back(listener.address);
    acceptors_.add(std::move(fds[i]), listener_profile(options_, listener.name, listener.address));
  }
  fds.erase(fds.begin(), fds.begin() + static_cast<std::ptrdiff_t>(welcome.listeners.size()));
  take_logs(welcome.fds, std::move(fds));
  feed(Prepared{});
}

void Server::Impl::take_logs(const std::vector<std::string>& names, std::vector<UniqueFd> fds) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == "access_log") log_.open(std::move(fds[i]));
    if (names[i] == "stderr") own_stderr_ = std::move(fds[i]);
  }
}

// At most once a second, and only while something changes.
void Server::Impl::report_stats_soon() {
  if (!stats_timer_.armed()) stats_timer_.start_after(kStatsEvery);
}

void Server::Impl::say(const ControlMessage& message) {
  if (channel_) channel_->send(message);
}

}  // namespace holdfast::worker
