// How a Worker leaves: the drain of its connections, and the last words.
#include <algorithm>
#include <unistd.h>

#include "worker/io/supervised.hpp"
#include "worker/io/worker_impl.hpp"

namespace holdfast::worker {
namespace {

// A service that is to give its connections away must come to each before its grace is over.
constexpr Millis kMovesWithin{5'000};

}  // namespace

void Worker::Impl::close_listeners(bool accept_queued) {
  if (close) close(accept_queued);
  listeners_closed_ = true;
}

void Worker::Impl::begin_lame_duck() {
  tracker_.begin_lame_duck();
  if (lame_duck) lame_duck();
}

void Worker::Impl::begin_drain(DrainReason reason, IdlePolicy idle, TimePoint deadline) {
  if (!draining_.exchange(true)) answered_before_drain_ = answered_;
  stopping_ = reason == DrainReason::Shutdown;
  drain_tracker(handoff_.begin_drain(idle == IdlePolicy::Handoff));
  if (drain) drain(to_string(reason), deadline);
}

void Worker::Impl::drain_tracker(bool moves) {
  const Millis least = moves ? kMovesWithin : Millis{0};
  const Millis idle_grace =
      stopping_ ? std::min(settings_.idle_grace, settings_.stop_idle_grace) : settings_.idle_grace;
  tracker_.begin_drain(std::max(settings_.new_grace, least), std::max(idle_grace, least),
                       stopping_ ? Millis{0} : settings_.idle_spread);
}

void Worker::Impl::cut_connections() {
  handoff_.end();
  tracker_.cut();
  if (cut) cut();
}

void Worker::Impl::meet(const Peer& peer, UniqueFd link) { handoff_.meet(peer, std::move(link)); }

std::optional<HandoffDone> Worker::Impl::handoff_done() {
  if (handoff_.counts().sent == 0) return std::nullopt;
  return handoff_.counts();
}

void Worker::Impl::use_own_stderr() {
  if (own_stderr_) ::dup2(own_stderr_.get(), STDERR_FILENO);
}

Drained Worker::Impl::finish() {
  Drained report;
  {
    const std::lock_guard lock(mutex_);
    report.served = counts_.served;
    report.closed_idle = counts_.closed_idle;
    report.cut = counts_.cut;
  }
  if (settings_.track_connections) {
    const auto counts = tracker_.counts();
    report.closed_idle += counts.closed_idle;
    report.cut += counts.cut;
    report.handed_off = handoff_.handed_off();
  }
  if (report.served == 0) report.served = answered_ - answered_before_drain_;
  // The supervisor kills at kill_timeout: what is given up must be counted and said before that.
  report.log_lines_lost = log_.close(settings_.kill_timeout - settings_.kill_timeout / 4);
  return report;
}

}  // namespace holdfast::worker
