// How a Server leaves: the drain, what a deadline cuts, and the last words.
#include <algorithm>

#include <boost/asio/post.hpp>

#include "worker/io/server_impl.hpp"

namespace holdfast::worker {

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
    say(sessions_.stats());  // the last word of it, so that counts are exact
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

}  // namespace holdfast::worker
