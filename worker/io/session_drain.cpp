// Deadlines and the drain: who leaves when, and who is cut.
#include <algorithm>
#include <sys/socket.h>

#include <boost/asio/post.hpp>

#include "worker/io/sessions.hpp"
#include "worker/io/transport.hpp"

namespace holdfast::worker {

namespace {

constexpr std::size_t kSweepBatch = 64;  // so that no request waits for the sweep
constexpr int kCutReads = 16;  // scratch buffers of a request's body that a cut reads over

}  // namespace

void Sessions::schedule(Connection& connection, Millis after) {
  deadlines_.schedule(connection, now() + after);
}

void Sessions::on_timer(Connection& connection) {
  if (connection.extra && connection.extra->handshaking && !connection.extra->proxy_pending &&
      connection.machine.state == ConnState::New)
    return end_handshake(connection);
  if (connection.machine.state == ConnState::Active) {
    time_out_request(connection);
  } else if (connection.machine.state == ConnState::Hijacked) {
    // Only set while a closed stream sends its rest.
    connection.exchange->completion = Completion::Timeout;
    feed(connection, ConnEvent::PeerGone);
  } else {
    feed(connection, ConnEvent::TimedOut);
  }
}

void Sessions::time_out_request(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.head_sent) return abort(connection, Completion::Timeout);
  exchange.completion = Completion::Timeout;
  if (exchange.stage == Stage::Handling) {
    // The handler waits for a body that does not come. It is told, and what it has not answered by
    // then is a 408.
    fail_callbacks(exchange);
    return;
  }
  reject(connection, 408, "the request took too long", Completion::Timeout);
}

void Sessions::begin_drain(const DrainPlan& plan) {
  if (!drain_.begun()) refused_before_ = refused();
  drain_.begin(plan, stats().idle);
  begin_sweep();
  announce_if_gone();
}

void Sessions::begin_sweep() {
  const bool sweeping = all_.walking();
  all_.begin_walk();
  if (!sweeping && all_.walking()) sweep();
}

void Sessions::sweep() {
  for (std::size_t i = 0; i < kSweepBatch && all_.walking(); ++i) {
    Connection& connection = all_.next_in_walk();
    if (connection.machine.moving && !drain_.moving()) {
      feed(connection, ConnEvent::HandoffEnded);
    } else if (connection.machine.draining) {
      if (!drain_.moving()) shorten_grace(connection);
    } else {
      begin_leaving(connection);
      if (connection.fd && connection.exchange != nullptr)
        tell(connection.exchange->drain_callback);
    }
  }
  if (all_.walking()) boost::asio::post(io_, [this] { sweep(); });
}

// A full stop in the middle of a reload's drain: who already waits for its grace waits less.
void Sessions::shorten_grace(Connection& connection) {
  const ConnState state = connection.machine.state;
  if (state != ConnState::New && state != ConnState::Idle) return;
  deadlines_.schedule(connection,
                      std::min(connection.deadline(), now() + drain_.next_grace(state)));
}

// Counted where the client has it, not where the kernel took it: a send buffer of megabytes makes a
// slow client look stuck, or a dead one alive.
bool Sessions::moves(Connection& connection) {
  const ConnState state = connection.machine.state;
  // Answered and on its way out, or on its way to another worker.
  if (state == ConnState::Lingering || state == ConnState::Offered) return true;
  Exchange* exchange = connection.exchange;
  if (exchange == nullptr) return connection.machine.moving;
  const bool hijacked = state == ConnState::Hijacked;
  const std::uint64_t moved = (hijacked ? exchange->bytes_received : exchange->request_size) +
                              exchange->bytes_sent - untaken_bytes(connection);
  return std::exchange(exchange->moved, moved) != moved;
}

void Sessions::mark_progress() {
  for (Connection* each = all_.first(); each != nullptr; each = each->next) moves(*each);
}

// A callback of a handler's may close other connections: those stay linked until collect().
std::size_t Sessions::cut_stuck() {
  drain_.begin_overtime();
  std::size_t stuck = 0;
  for (Connection* each = all_.first(); each != nullptr; each = each->next) {
    if (!each->fd || moves(*each)) continue;
    ++stuck;
    cut(*each, Completion::Cut);
  }
  collect();
  announce_if_gone();
  return stuck;
}

void Sessions::cut_all() {
  const std::uint64_t before = drained_.cut;
  while (all_.first() != nullptr) cut(*all_.first(), Completion::Cut);
  if (drain_.overtime()) drained_.cut_overtime += drained_.cut - before;
  collect();
}

void Sessions::cut(Connection& connection, Completion why) {
  const ConnState state = connection.machine.state;
  if (Exchange* exchange = connection.exchange; exchange != nullptr) {
    exchange->completion = why;
    mark_incomplete(connection);
    if (!exchange->head_sent && state != ConnState::Hijacked) {
      // Nobody will answer it any more: say so, as far as one write goes.
      exchange->set_plain_answer(503, "the server is stopping\n");
      exchange->close_after = true;
      exchange->finish_body();
      send(connection, *exchange);
      // Unread bytes would turn our FIN into a RST, which can destroy this answer.
      end_output(connection);
      for (int i = 0; i<kCutReads&& ::recv(connection.fd.get(), scratch_.data(), scratch_.size(),
                                           MSG_DONTWAIT)> 0;
           ++i) {
      }
    }
  }
  if (state == ConnState::Active || state == ConnState::Hijacked) ++drained_.cut;
  if (state == ConnState::New || state == ConnState::Idle) ++drained_.closed_idle;
  feed(connection, ConnEvent::DrainExpired);
}

}  // namespace holdfast::worker
