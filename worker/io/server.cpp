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

void report(std::string_view message) {
  write_fully(STDERR_FILENO, "holdfast: " + std::string(message) + "\n");
}

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

// Unless the service has a use for it.
void ignore_by_default(int signal) {
  struct sigaction current {};
  if (::sigaction(signal, nullptr, &current) == 0 && current.sa_handler == SIG_DFL)
    ::signal(signal, SIG_IGN);
}

constexpr Millis kStatsEvery{1'000};

}  // namespace

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
  HOLDFAST_ASSIGN(UniqueFd log, open_log_target(options_.access_log));
  HOLDFAST_ASSIGN(BoundListener bound, bind_listener(spec.address));
  log_.open(std::move(log));
  addresses_.push_back(bound.address);
  acceptors_.add(std::move(bound.fd), spec.name);
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

// Supervised
// ---------------------------------------------------------------------------------------------------------

void Server::Impl::start_supervised(UniqueFd channel) {
  signals_.add(SIGTERM);
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
  say(Hello{kProtocol, static_cast<int>(::getpid()), "holdfast_worker 0.1.0", {}});
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
  lifecycle_.policy = {options_.stop_timeout, options_.orphan_timeout};
  for (std::size_t i = 0; i < welcome.listeners.size(); ++i) {
    addresses_.push_back(welcome.listeners[i].address);
    acceptors_.add(std::move(fds[i]), welcome.listeners[i].name);
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
  if (stats_armed_) return;
  stats_armed_ = true;
  stats_timer_.expires_after(kStatsEvery);
  stats_timer_.async_wait([this](boost::system::error_code failed) {
    stats_armed_ = false;
    if (!failed) say(sessions_.stats());
  });
}

void Server::Impl::say(const ControlMessage& message) {
  if (channel_) channel_->send(message);
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
void Server::on_accepting(std::function<void()> hook) { impl_->on_accepting(std::move(hook)); }
int Server::run() { return impl_->run(); }
std::uint64_t Server::generation() const { return impl_->identity().generation; }
std::uint64_t Server::worker() const { return impl_->identity().worker; }
const std::vector<std::string>& Server::addresses() const { return impl_->addresses(); }

}  // namespace holdfast::worker
