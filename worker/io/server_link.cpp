// The worker's end of the control channel: what the supervisor says, and what is said to it.
#include <signal.h>

#include "shared/core/overloaded.hpp"
#include "worker/io/server_impl.hpp"
#include "worker/io/supervised.hpp"

namespace holdfast::worker {
namespace {

// Unless the service has a use for it.
void ignore_by_default(int signal) {
  struct sigaction current {};
  if (::sigaction(signal, nullptr, &current) == 0 && current.sa_handler == SIG_DFL)
    ::signal(signal, SIG_IGN);
}

}  // namespace

void Server::Impl::start_supervised(UniqueFd channel) {
  signals_.emplace(io_, SIGTERM);
  wait_for_signals();
  ignore_by_default(SIGUSR1);  // `pkill -USR1`, meant for the supervisor, must not kill its workers
  ignore_by_default(SIGUSR2);
  sessions_.hooks.on_count = [this] { report_stats_soon(); };
  channel_.emplace(
      io_, std::move(channel),
      ControlChannel::Callbacks{[this](const ControlMessage& message, std::vector<UniqueFd> fds) {
                                  on_message(message, std::move(fds));
                                },
                                [this](const std::optional<Error>& error) {
                                  if (error) report(error->message);
                                  channel_.reset();
                                  feed(SupervisorLost{});
                                },
                                report_torn});
  say(our_hello(options_.handoff));
}

void Server::Impl::on_message(const ControlMessage& message, std::vector<UniqueFd> fds) {
  if (const auto order = order_in(message)) return feed(*order);
  std::visit(overloaded{
                 [&](const Welcome& m) { on_welcome(m, std::move(fds)); },
                 [&](const ReopenLogs& m) { take_logs(m.fds, std::move(fds), log_, own_stderr_); },
                 [&](const Peer& m) {
                   if (m.role == Peer::Role::Give) return giving_.add(m.worker, std::move(fds[0]));
                   taking_.add(m.worker, std::move(fds[0]));
                 },
                 [&](const Ping&) { say(Pong{}); },
                 [&](const StatsRequest&) { say(sessions_.stats()); },
                 [](const auto&) {},
             },
             message);
}

void Server::Impl::on_welcome(const Welcome& welcome, std::vector<UniqueFd> fds) {
  sessions_.requests().set_identity(
      {welcome.generation.value, welcome.worker.value, welcome.label});
  follow(welcome.options, options_);
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
    ListenerProfile profile = listener_profile(options_, listener.name, listener.address);
    profile.kept = listener.kept;
    acceptors_.add(std::move(fds[i]), std::move(profile));
  }
  fds.erase(fds.begin(), fds.begin() + static_cast<std::ptrdiff_t>(welcome.listeners.size()));
  take_logs(welcome.fds, std::move(fds), log_, own_stderr_);
  feed(Prepared{});
}

void Server::Impl::report_stats_soon() {
  if (!stats_timer_.armed()) stats_timer_.start_after(kStatsEvery);
}

void Server::Impl::say(const ControlMessage& message) {
  if (channel_) channel_->send(message);
}

}  // namespace holdfast::worker
