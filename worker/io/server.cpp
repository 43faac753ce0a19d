#include "holdfast/worker/server.hpp"

#include <algorithm>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "shared/core/overloaded.hpp"
#include "shared/io/bind_listener.hpp"
#include "shared/io/log_target.hpp"
#include "worker/io/channel_variable.hpp"
#include "worker/io/server_impl.hpp"
#include "worker/io/supervised.hpp"

namespace holdfast::worker {

Server::Impl::Impl(Options options)
    : options_(std::move(options)),
      clock_(io_, options_.clock),
      status_(options_.clock),
      handler_(
          PlainHandler([](const Request&, ResponseWriter& response) { response.status(404); })),
      selector_([this](const Request&) -> const Handler& { return handler_; }),
      log_(io_, clock_),
      sessions_(io_, clock_, options_, selector_, log_, [this] { feed(ConnectionsGone{}); }),
      acceptors_(io_, clock_, sessions_, options_.max_connections),
      handoff_loop_(io_, clock_),
      giving_(handoff_loop_, sessions_),
      taking_(handoff_loop_, acceptors_, [this] { feed(ConnectionsGone{}); }),
      timer_(io_, clock_, [this] { feed(WorkerTimerFired{}); }),
      stats_timer_(io_, clock_, [this] { say(sessions_.stats()); }),
      average_timer_(io_, clock_, [this] { bump_averages(); }) {}

void Server::Impl::handle(Handler handler) {
  handler_ = std::move(handler);
  selector_ = [this](const Request&) -> const Handler& { return handler_; };
}

int Server::Impl::run() {
  {
    const std::lock_guard lock(control_);
    if (status_.begun()) return report("cannot run: the server already serves"), 1;
    if (stopping_) return 0;
    status_.begin();
  }
  status_.on_thread();
  clock_.attach();
  ::signal(SIGPIPE, SIG_IGN);  // a client or a log reader that leaves is an error of one write
  if (const auto started = start(); started) {
    io_.run();
  } else {
    report(started.error().message);
    result_.failure = to_failure(started.error());
    exit_code_ = 1;
  }
  clock_.detach();
  status_.end(result_);
  return exit_code_;
}

Result<void> Server::Impl::start() {
  HOLDFAST_ASSIGN(UniqueFd channel, take_channel());
  HOLDFAST_TRY(sessions_.requests().trust(options_.trusted_proxies));
  HOLDFAST_TRY(load_tls());
  use_policy();
  sessions_.poller().start();
  if (!channel) return start_alone();
  start_supervised(std::move(channel));
  return {};
}

// Alone
// --------------------------------------------------------------------------------------------------------------

Result<void> Server::Impl::start_alone() {
  HOLDFAST_ASSIGN(const ListenerSpec spec, parse_listener_spec(options_.listen));
  HOLDFAST_TRY(check_listener_names(options_, {spec.name}));
  HOLDFAST_ASSIGN(UniqueFd log, open_log_target(options_.access_log));
  HOLDFAST_ASSIGN(BoundListener bound, bind_listener(spec.address));
  log_.open(std::move(log));
  addresses_.push_back(bound.address);
  acceptors_.add(std::move(bound.fd), listener_profile(options_, spec.name, bound.address));
  // A service that cannot accept any more is of no use: whoever started it should know.
  acceptors_.on_failed = [this](const Error& error) {
    report(error.message);
    exit_code_ = 1;
    status_.end_accepting(to_failure(error));
    boost::asio::post(io_, [this] { stop_on_thread(); });
  };
  prepare_alone();
  signals_.emplace(io_, SIGTERM, SIGINT, SIGUSR1);
  wait_for_signals();
  feed(Prepared{});
  return {};
}

void Server::Impl::prepare_alone() {
  lifecycle_.supervised = false;
  use_policy();
}

void Server::Impl::use_policy() {
  lifecycle_.policy = {options_.stop_timeout, options_.orphan_timeout, options_.stop_timeout_max};
  // Even with a kill_timeout of nothing, the thread needs a moment to end.
  stop_limit_ = (std::max(options_.stop_timeout, options_.stop_timeout_max) +
                 std::max(options_.kill_timeout, Millis{1'000}))
                    .count();
}

void Server::Impl::wait_for_signals() {
  signals_->async_wait([this](boost::system::error_code failed, int signal) {
    if (failed) return;
    wait_for_signals();
    if (signal != SIGUSR1) return feed(TermReceived{});
    auto fresh = open_log_target(options_.access_log);
    if (!fresh) return report(fresh.error().message + "; the old file is kept");
    log_.open(std::move(*fresh));
  });
}

// The machine
// --------------------------------------------------------------------------------------------------------

void Server::Impl::feed(const WorkerEvent& event) {
  auto [next, actions] =
      step(std::move(lifecycle_), event, {clock_.now(), sessions_.size() + taking_.held()});
  lifecycle_ = std::move(next);
  for (const WorkerAction& action : actions) perform(action);
  arm_timer();
}

void Server::Impl::perform(const WorkerAction& action) {
  std::visit(overloaded{
                 [&](const SayReady&) { say(Ready{}); },
                 [&](const StartAccepting&) { accept(); },
                 [&](const PauseAccepting& how) {
                   acceptors_.pause(how.except);
                   say(Paused{});
                 },
                 [&](const KeepListening& how) { acceptors_.keep_only(how.names); },
                 [&](const StopListening& how) { stop_listening(how); },
                 [&](const BeginLameDuck&) {
                   sessions_.begin_lame_duck();
                   end_readiness();
                 },
                 [&](const BeginDrain& how) { begin_drain(how); },
                 [&](const MarkProgress&) { sessions_.mark_progress(); },
                 [&](const CutStuck&) { cut_stuck(); },
                 [&](const CutConnections&) { cut(); },
                 [&](const UseOwnStderr&) {
                   if (own_stderr_) ::dup2(own_stderr_.get(), STDERR_FILENO);
                 },
                 [&](const FinishWorker&) { finish(); },
                 [&](const AbandonStart&) {
                   report("cannot start: the supervisor is gone");
                   exit_code_ = 1;
                   io_.stop();
                 },
             },
             action);
}

void Server::Impl::accept() {
  acceptors_.start();
  ready_ = !service_ends_;
  say(Accepting{});
  if (accepting_hook_) std::exchange(accepting_hook_, nullptr)();
}

void Server::Impl::arm_timer() {
  if (const auto wake = wake_at(lifecycle_)) return timer_.start(*wake);
  timer_.cancel();
}

}  // namespace holdfast::worker
