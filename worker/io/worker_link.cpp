#include "worker/io/worker_link.hpp"

#include <algorithm>
#include <utility>

#include "shared/core/overloaded.hpp"
#include "shared/io/syscall.hpp"
#include "worker/io/supervised.hpp"

namespace holdfast::worker {
namespace {

constexpr Millis kLastWords{1'000};  // for a supervisor that is slow to read
// A supervisor that talks without end must not starve the service's own loop.
constexpr int kMessagesATurn = 64;

}  // namespace

WorkerLink::WorkerLink(LinkedService& service, DispatchFd loop)
    : service_(service), loop_(std::move(loop)) {}
WorkerLink::~WorkerLink() = default;

void WorkerLink::start(UniqueFd channel, LifecyclePolicy policy, bool handoff) {
  lifecycle_.policy = policy;
  lifecycle_.supervised = static_cast<bool>(channel);
  if (!channel) return;
  channel_.emplace(std::move(channel));
  say(our_hello(handoff));
  arm();
}

bool WorkerLink::dispatch() {
  if (finished_) return false;
  loop_.clear();
  hear();
  take_inbox();
  if (finished_) return false;
  const TimePoint now = Clock::now();
  if (const auto wake = worker::wake_at(lifecycle_); wake && *wake <= now) feed(WorkerTimerFired{});
  if (finished_) return false;
  service_.on_wake();
  if (stats_dirty_ && !stats_at_) stats_at_ = now + kStatsEvery;
  if (stats_at_ && *stats_at_ <= now) {
    stats_at_.reset();
    stats_dirty_ = false;
    say(service_.stats());
  }
  arm();
  return !finished_;
}

void WorkerLink::feed(const WorkerEvent& event) {
  auto [next, actions] = step(std::move(lifecycle_), event, {Clock::now(), service_.connections()});
  lifecycle_ = std::move(next);
  for (const WorkerAction& action : actions) perform(action);
}

void WorkerLink::post(WorkerEvent event) {
  {
    const std::lock_guard lock(mutex_);
    inbox_.push_back(std::move(event));
  }
  loop_.wake();
}

void WorkerLink::stats_changed() {
  if (!stats_dirty_.exchange(true)) loop_.wake();
}

void WorkerLink::take_inbox() {
  std::vector<WorkerEvent> events;
  {
    const std::lock_guard lock(mutex_);
    events.swap(inbox_);
  }
  for (const WorkerEvent& event : events) feed(event);
}

void WorkerLink::hear() {
  if (channel_) channel_->flush();
  for (int i = 0; channel_ && !finished_ && i < kMessagesATurn; ++i) {
    auto received = channel_->receive();
    if (!received) return lose(std::move(received).error());
    if (received->kind == Received::Kind::Eof) return lose(std::nullopt);
    if (received->kind == Received::Kind::WouldBlock) return;
    if (received->kind == Received::Kind::Torn) {
      report_torn(received->message);
      continue;
    }
    on_message(received->message, std::move(received->fds));
    // The service has its listeners now and sets its callbacks; what follows is for them.
    if (std::holds_alternative<Welcome>(received->message)) return;
  }
}

void WorkerLink::lose(const std::optional<Error>& error) {
  if (error) report(error->message);
  loop_.unwatch(channel_->fd());
  channel_.reset();
  feed(SupervisorLost{});
}

void WorkerLink::on_message(const ControlMessage& message, std::vector<UniqueFd> fds) {
  if (const auto order = order_in(message)) return feed(*order);
  std::visit(overloaded{
                 [&](const Welcome& m) {
                   if (std::exchange(welcomed_, true)) return;
                   lifecycle_.policy = service_.on_welcome(m, std::move(fds));
                 },
                 [&](const ReopenLogs& m) { service_.take_logs(m.fds, std::move(fds)); },
                 [&](const Peer& m) { service_.meet(m, std::move(fds[0])); },
                 [&](const Ping&) { say(Pong{}); },
                 [&](const StatsRequest&) { say(service_.stats()); },
                 [](const auto&) {},
             },
             message);
}

void WorkerLink::perform(const WorkerAction& action) {
  std::visit(
      overloaded{
          [&](const SayReady&) { say(Ready{}); },
          [&](const StartAccepting&) {
            service_.start_accepting();
            say(Accepting{});
          },
          [&](const PauseAccepting& how) {
            service_.pause_accepting(how.except);
            say(Paused{});
          },
          [&](const KeepListening& how) { service_.keep_listening(how.names); },
          [&](const StopListening& how) {
            if (!std::exchange(listeners_closed_, true)) service_.close_listeners(how.drain_queue);
            if (how.announce) say(ListenersClosed{});
            // The queue may have been empty, and then nothing else tells that the worker is.
            if (how.drain_queue) post(ConnectionsGone{});
          },
          [&](const BeginLameDuck&) { service_.begin_lame_duck(); },
          [&](const BeginDrain& how) {
            say(Draining{how.reason});
            say(service_.stats());  // what a deadline would cut
            service_.begin_drain(how.reason, how.idle, lifecycle_.stop_at.value_or(Clock::now()));
          },
          [](const MarkProgress&) {},  // never: nobody here sees progress
          [](const CutStuck&) {},
          [&](const CutConnections&) { service_.cut_connections(); },
          [&](const UseOwnStderr&) { service_.use_own_stderr(); },
          [&](const FinishWorker&) {
            if (const auto done = service_.handoff_done()) say(*done);
            say(service_.finish());
            if (channel_ && channel_->wants_write() && wait_writable(channel_->fd(), kLastWords))
              channel_->flush();
            finished_ = true;
          },
          [&](const AbandonStart&) {
            report("cannot start: the supervisor is gone");
            exit_code_ = 1;
            finished_ = true;
          },
      },
      action);
}

void WorkerLink::say(const ControlMessage& message) {
  if (channel_) channel_->send(message);
}

void WorkerLink::arm() {
  if (channel_) loop_.watch(channel_->fd(), channel_->wants_write());
  std::optional<TimePoint> first;
  for (const auto& at : {worker::wake_at(lifecycle_), service_.wake_at(), stats_at_}) {
    if (at) first = first ? std::min(*first, *at) : *at;
  }
  loop_.set_timer(first);
}

}  // namespace holdfast::worker
