#include "holdfast/worker/server.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "shared/core/overloaded.hpp"
#include "shared/io/bind_listener.hpp"
#include "shared/io/log_target.hpp"
#include "shared/io/syscall.hpp"
#include "worker/io/server_impl.hpp"

namespace holdfast::worker {
namespace {

constexpr const char* kChannelVariable = "HOLDFAST_CHANNEL_FD";

// Our end of the control channel, or nothing when nobody supervises us. The variable is for this
// process alone.
Result<UniqueFd> take_channel() {
  const char* text = std::getenv(kChannelVariable);
  if (text == nullptr) return UniqueFd();
  int fd = -1;
  const auto [end, failed] = std::from_chars(text, text + std::strlen(text), fd);
  const bool number = failed == std::errc{} && *end == '\0' && fd >= 0;
  ::unsetenv(kChannelVariable);
  if (!number)
    return plain_error("use the control channel", "HOLDFAST_CHANNEL_FD is not a descriptor");
  HOLDFAST_TRY(set_cloexec(fd, true));
  return UniqueFd(fd);
}

}  // namespace

void Server::Impl::report(std::string_view message) {
  write_fully(STDERR_FILENO, "holdfast: " + std::string(message) + "\n");
}

Server::Impl::Impl(Options options)
    : options_(std::move(options)),
      handler_(
          PlainHandler([](const Request&, ResponseWriter& response) { response.status(404); })),
      selector_([this](const Request&) -> const Handler& { return handler_; }),
      sessions_(io_, options_, selector_, log_, [this] { feed(ConnectionsGone{}); }),
      acceptors_(io_, sessions_, options_.max_connections) {}

void Server::Impl::handle(Handler handler) {
  handler_ = std::move(handler);
  selector_ = [this](const Request&) -> const Handler& { return handler_; };
}

int Server::Impl::run() {
  ::signal(SIGPIPE, SIG_IGN);  // a client or a log reader that leaves is an error of one write
  auto channel = take_channel();
  if (!channel) {
    report(channel.error().message);
    return 1;
  }
  if (const auto trusted = sessions_.trust(options_.trusted_proxies); !trusted) {
    report(trusted.error().message);
    return 1;
  }
  lifecycle_.policy = {options_.stop_timeout, options_.orphan_timeout};
  sessions_.poller().start();
  if (*channel) {
    start_supervised(std::move(*channel));
  } else if (const auto started = start_alone(); !started) {
    report(started.error().message);
    return 1;
  }
  io_.run();
  return exit_code_;
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
  acceptors_.add(std::move(bound.fd), listener_profile(options_, spec.name));
  lifecycle_.supervised = false;
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  signals_.add(SIGUSR1);
  wait_for_signals();
  feed(Prepared{});
  return {};
}

void Server::Impl::wait_for_signals() {
  signals_.async_wait([this](boost::system::error_code failed, int signal) {
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
  auto [next, actions] = step(std::move(lifecycle_), event, {Clock::now(), sessions_.size()});
  lifecycle_ = std::move(next);
  for (const WorkerAction& action : actions) perform(action);
  arm_timer();
}

void Server::Impl::perform(const WorkerAction& action) {
  std::visit(overloaded{
                 [&](const SayReady&) { say(Ready{}); },
                 [&](const StartAccepting&) {
                   acceptors_.start();
                   say(Accepting{});
                   if (accepting_hook_) std::exchange(accepting_hook_, nullptr)();
                 },
                 [&](const PauseAccepting&) {
                   acceptors_.pause();
                   say(Paused{});
                 },
                 [&](const StopListening& how) {
                   acceptors_.close(how.drain_queue);
                   if (how.announce) say(ListenersClosed{});
                   // The queue may have been empty, and then nothing else tells that the worker is.
                   if (how.drain_queue) boost::asio::post(io_, [this] { feed(ConnectionsGone{}); });
                 },
                 [&](const BeginDrain& how) { begin_drain(how.reason); },
                 [&](const CutConnections&) { sessions_.cut_all(); },
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

void Server::Impl::begin_drain(DrainReason reason) {
  say(Draining{reason});
  if (channel_) say(sessions_.stats());  // what a deadline would cut
  const bool stop = reason == DrainReason::Shutdown;
  sessions_.begin_drain(
      options_.new_grace,
      stop ? std::min(options_.idle_grace, options_.stop_idle_grace) : options_.idle_grace);
}

void Server::Impl::finish() {
  Drained drained = sessions_.drained();
  // The supervisor kills at kill_timeout: what is given up must be counted and said before that.
  drained.log_lines_lost = log_.close(options_.kill_timeout - options_.kill_timeout / 4);
  say(drained);
  io_.stop();
}

void Server::Impl::arm_timer() {
  const auto wake = wake_at(lifecycle_);
  if (!wake) {
    timer_.cancel();
    return;
  }
  timer_.expires_at(*wake);
  timer_.async_wait([this](boost::system::error_code failed) {
    if (!failed) feed(WorkerTimerFired{});
  });
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
int Server::run() { return impl_->run(); }
std::uint64_t Server::generation() const { return impl_->identity().generation; }
std::uint64_t Server::worker() const { return impl_->identity().worker; }
const std::vector<std::string>& Server::addresses() const { return impl_->addresses(); }

}  // namespace holdfast::worker
