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
      taking_(handoff_loop_, acceptors_, options_.max_connections,
              [this] { feed(ConnectionsGone{}); }),
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
                 [&](const PauseAccepting&) {
                   acceptors_.pause();
                   say(Paused{});
                 },
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

// The service as a whole is about to end; at a reload it goes on, whoever serves it.
void Server::Impl::end_readiness() {
  ready_ = false;
  if (std::exchange(service_ends_, true)) return;
  if (lame_duck_hook_) std::exchange(lame_duck_hook_, nullptr)();
}

void Server::Impl::begin_drain(const BeginDrain& how) {
  if (how.reason == DrainReason::Shutdown || how.reason == DrainReason::Orphaned) {
    end_readiness();
    acceptors_.close_kept();
  }
  say(Draining{how.reason});
  if (channel_) say(sessions_.stats());  // what a deadline would cut
  if (!stop_began_) {
    stop_began_ = clock_.now();
    bump("stop");
  }
  const bool stop = how.reason == DrainReason::Shutdown;
  const bool handoff = how.idle == IdlePolicy::Handoff && giving_.possible();
  taking_.begin_drain();
  if (!handoff) giving_.recall();
  sessions_.begin_drain({.new_grace = options_.new_grace,
                         .idle_grace = stop
                                           ? std::min(options_.idle_grace, options_.stop_idle_grace)
                                           : options_.idle_grace,
                         .idle_spread = stop ? Millis{0} : options_.idle_spread,
                         .handoff = handoff});
}

void Server::Impl::stop_listening(const StopListening& how) {
  if (const auto closed = acceptors_.close(how.drain_queue); !closed) {
    bump("listener.close.error");
    result_.failure = to_failure(closed.error());
  }
  status_.end_accepting(std::nullopt);
  if (how.announce) say(ListenersClosed{});
  // The queue may have been empty, and then nothing else tells that the worker is.
  if (how.drain_queue) boost::asio::post(io_, [this] { feed(ConnectionsGone{}); });
}

void Server::Impl::cut() {
  count_cut(sessions_.connections());
  taking_.end();
  giving_.recall();
  sessions_.cut_all();
}

void Server::Impl::cut_stuck() {
  if (const std::size_t stuck = sessions_.cut_stuck(); stuck != 0) count_cut(stuck);
}

void Server::Impl::count_cut(std::size_t connections) {
  if (!kill_began_) {
    kill_began_ = clock_.now();
    bump("kill");
  }
  result_.killed = true;
  result_.killed_connections += connections;
  bump("kill.conn.count", static_cast<double>(connections));
}

void Server::Impl::finish() {
  average_timer_.cancel();
  // The supervisor kills at kill_timeout: what is given up must be counted and said before that.
  const Millis limit = options_.kill_timeout - options_.kill_timeout / 4;
  const std::uint64_t lost_before = log_.lost();
  log_.close(hurry_ ? Millis{0} : limit, sessions_.poller(), [this, lost_before](auto lost) {
    if (giving_.counts().sent != 0) say(giving_.counts());
    Drained drained = sessions_.drained();
    drained.log_lines_lost = lost;
    say(drained);
    if (lost != lost_before) bump("kill.timeout");
    result_.served = drained.served;
    result_.closed_idle = drained.closed_idle;
    result_.cut = drained.cut;
    result_.handlers_left = sessions_.orphaned_handlers();
    result_.log_lines_lost = lost;
    bump_times();
    io_.stop();
  });
}

void Server::Impl::arm_timer() {
  if (const auto wake = wake_at(lifecycle_)) return timer_.start(*wake);
  timer_.cancel();
}

// Server
// -------------------------------------------------------------------------------------------------------------

Server::Server(Options options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Server::~Server() = default;
void Server::handle(Handler handler) { impl_->handle(std::move(handler)); }
void Server::select(Selector selector) { impl_->select(std::move(selector)); }
void Server::default_header(std::string name, std::string value) {
  impl_->default_header(std::move(name), std::move(value));
}
void Server::on_accepting(std::function<void()> hook) { impl_->on_accepting(std::move(hook)); }
void Server::on_lame_duck(std::function<void()> hook) { impl_->on_lame_duck(std::move(hook)); }
void Server::on_connection_state(ConnectionHook hook) {
  impl_->on_connection_state(std::move(hook));
}
void Server::on_handoff(GiveHook give, TakeHook take) {
  impl_->on_handoff(std::move(give), std::move(take));
}
int Server::run() { return impl_->run(); }
std::optional<Failure> Server::serve(int listener, std::string name) {
  return impl_->serve(UniqueFd(listener), std::move(name));
}
std::optional<Failure> Server::listen_and_serve(const std::string& address) {
  return impl_->listen_and_serve(address);
}
std::optional<Failure> Server::wait() { return impl_->wait(); }
StopResult Server::stop() { return impl_->stop(); }
void Server::request_stop() { impl_->request_stop(); }
std::optional<Failure> Server::reopen_log() { return impl_->reopen_log(); }
bool Server::ready() const { return impl_->ready(); }
std::uint64_t Server::generation() const { return impl_->identity().generation; }
std::uint64_t Server::worker() const { return impl_->identity().worker; }
const std::vector<std::string>& Server::addresses() const { return impl_->addresses(); }

}  // namespace holdfast::worker
