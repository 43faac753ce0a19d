#include "worker/io/worker_impl.hpp"

#include <algorithm>
#include <cerrno>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>
#include <utility>

#include "shared/io/bind_listener.hpp"
#include "shared/io/log_target.hpp"
#include "shared/io/syscall.hpp"
#include "worker/io/channel_variable.hpp"
#include "worker/io/supervised.hpp"

namespace holdfast::worker {
namespace {

constexpr Millis kWelcomeTimeout{10'000};

}  // namespace

Worker::Impl::Impl(WorkerSettings settings)
    : settings_(std::move(settings)),
      link_(*this, DispatchFd::create().value()),
      signals_(link_.wake_fd()),
      handoff_(link_, tracker_, listeners, identity) {
  UniqueFd channel = take_channel().value();
  supervised = static_cast<bool>(channel);
  signals_.handle(SIGTERM);
  signals_.ignore(SIGPIPE);  // a client or a log reader that leaves is an error of one write
  tracker_.on_attention([this] {
    if (draining_)
      link_.wake();
    else
      link_.stats_changed();
  });
  handoff_.on_stopped = [this] { drain_tracker(false); };
  link_.start(std::move(channel), policy(), settings_.handoff && settings_.track_connections);
  if (supervised) {
    // `pkill -USR1`, meant for the supervisor, must not kill its workers.
    signals_.ignore(SIGUSR1);
    signals_.ignore(SIGUSR2);
    await_welcome();
  } else {
    signals_.handle(SIGINT);
    signals_.handle(SIGUSR1);
    start_alone();
  }
}

Worker::Impl::~Impl() {
  abandoned_ = true;
  link_.wake();
  if (thread_.joinable()) thread_.join();
  log_.close(Millis{0});
}

void Worker::Impl::start_alone() {
  log_.open(open_log_target(settings_.access_log).value());
  std::vector<UniqueFd> bound;
  for (const std::string& text : settings_.listen) {
    const ListenerSpec spec = parse_listener_spec(text).value();
    BoundListener made = bind_listener(spec.address).value();
    listeners.push_back({spec.name, made.address, made.fd.get()});
    bound.push_back(std::move(made.fd));
  }
  for (UniqueFd& fd : bound) (void)fd.release();  // all of them are there: they are the service's
}

void Worker::Impl::await_welcome() {
  const TimePoint deadline = Clock::now() + kWelcomeTimeout;
  while (!link_.welcomed()) {
    const auto left = std::chrono::ceil<Millis>(deadline - Clock::now());
    pollfd entry{link_.fd(), POLLIN, 0};
    if (left.count() <= 0) throw std::runtime_error("cannot start: the supervisor does not answer");
    if (::poll(&entry, 1, static_cast<int>(left.count())) > 0 && !link_.dispatch())
      throw std::runtime_error("cannot start: the supervisor is gone");
  }
}

LifecyclePolicy Worker::Impl::on_welcome(const Welcome& welcome, std::vector<UniqueFd> fds) {
  identity = {welcome.generation.value, welcome.worker.value, welcome.label};
  log_.set_identity(identity);
  follow(welcome.options, settings_);
  for (std::size_t i = 0; i < welcome.listeners.size(); ++i)
    listeners.push_back(
        {welcome.listeners[i].name, welcome.listeners[i].address, fds[i].release()});
  fds.erase(fds.begin(), fds.begin() + static_cast<std::ptrdiff_t>(welcome.listeners.size()));
  take_logs(welcome.fds, std::move(fds));
  return policy();
}

// Bytes go through the service's own server, so one deadline is for all.
LifecyclePolicy Worker::Impl::policy() const {
  return {.stop_timeout = settings_.stop_timeout,
          .orphan_timeout = settings_.orphan_timeout,
          .sees_progress = false};
}

void Worker::Impl::take_logs(const std::vector<std::string>& names, std::vector<UniqueFd> fds) {
  worker::take_logs(names, std::move(fds), log_, own_stderr_);
}

void Worker::Impl::start_accepting() {
  accepted_ = true;
  if (accept) accept();
}

bool Worker::Impl::has_one_of(const std::vector<std::string>& names) const {
  return std::ranges::any_of(listeners, [&](const WorkerListener& listener) {
    return std::ranges::find(names, listener.name) != names.end();
  });
}

// The service accepts from all of its listeners or from none. Beside the new generation it may
// accept; clients of a listener that only it has must not wait.
void Worker::Impl::pause_accepting(const std::vector<std::string>& except) {
  if (pause && !has_one_of(except)) pause();
}

void Worker::Impl::keep_listening(const std::vector<std::string>& names) {
  if (has_one_of(names)) return start_accepting();
  if (pause) pause();
}

Stats Worker::Impl::stats() {
  Stats stats;
  const auto counts = tracker_.counts();
  stats.connections = counts.connections + handoff_.held();
  stats.in_flight = counts.active;
  stats.idle = stats.connections - counts.active;
  stats.requests = answered_ > 0 ? answered_.load() : counts.requests;
  stats.responses_5xx = answered_5xx_;
  return stats;
}

std::size_t Worker::Impl::connections() {
  if (!accepted_) return 0;
  if (settling_ > 0) return 1;
  if (settings_.track_connections) return handoff_.held() + tracker_.counts().connections;
  const std::lock_guard lock(mutex_);
  return gone_ ? 0 : 1;
}

std::optional<TimePoint> Worker::Impl::wake_at() {
  const auto flush = log_.next_flush();
  const auto check = draining_ ? tracker_.next_check() : std::nullopt;
  std::optional<TimePoint> first;
  for (const auto& at : {flush, check, handoff_.wake_at()}) {
    if (at) first = first ? std::min(*first, *at) : *at;
  }
  return first;
}

void Worker::Impl::on_wake() {
  const DrainSignals::Taken signals = signals_.take();
  for (int i = 0; i < signals.stops && !link_.finished(); ++i) link_.feed(TermReceived{});
  if (signals.reopen) {
    if (auto fresh = open_log_target(settings_.access_log))
      log_.open(std::move(*fresh));
    else
      write_fully(STDERR_FILENO, "holdfast: " + fresh.error().message + "; the old file is kept\n");
  }
  log_.flush();
  handoff_.run();
  if (!draining_ || link_.finished()) return;
  if (listeners_closed_ && settling_ > 0 && --settling_ > 0) return link_.wake();
  tracker_.check();
  if (connections() == 0) link_.feed(ConnectionsGone{});
}

void Worker::Impl::drained(DrainCounts counts) {
  {
    const std::lock_guard lock(mutex_);
    counts_ = counts;
    gone_ = true;
  }
  link_.wake();
}

void Worker::Impl::answered(int status) {
  ++answered_;
  if (status >= 500) ++answered_5xx_;
  link_.stats_changed();
}

void Worker::Impl::log(const AccessEntry& entry) {
  answered(entry.status);
  if (log_.write(entry, draining_)) link_.wake();
}

void Worker::Impl::run() {
  while (!abandoned_ && !link_.finished()) {
    pollfd entry{link_.fd(), POLLIN, 0};
    if (::poll(&entry, 1, -1) > 0) link_.dispatch();
  }
}

void Worker::Impl::start_thread() {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { run(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

int Worker::Impl::wait() {
  if (thread_.joinable())
    thread_.join();
  else
    run();
  return link_.exit_code();
}

}  // namespace holdfast::worker
