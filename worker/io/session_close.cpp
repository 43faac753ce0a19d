// How connections end: the last look, the half-close that protects the last response, and the end.
#include <algorithm>
#include <cerrno>
#include <sys/socket.h>

#include <boost/asio/post.hpp>

#include "holdfast/worker/stats.hpp"
#include "worker/io/handoff_giving.hpp"
#include "worker/io/sessions.hpp"
#include "worker/io/transport.hpp"

namespace holdfast::worker {
namespace {

constexpr Millis kLinger{1'000};       // after a response: the client reads it and closes
constexpr Millis kLongLinger{30'000};  // while the client still sends, as nginx's lingering_time
constexpr Millis kQuietLinger{100};    // after nothing: there is no response to protect
constexpr int kLingerReads = 16;       // a turn
constexpr Millis kRestOfRecord{1'000};

}  // namespace

// The last look before the close: a request that is already here is served.
void Sessions::probe(Connection& connection) {
  if (connection.extra && connection.extra->proxy_pending) {
    refuse_unfinished_header(connection, "the header did not come in time");
    return feed(connection, ConnEvent::Quiet);
  }
  char byte = 0;
  ssize_t n = ::recv(connection.fd.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n < 0 && held_bytes(connection)) n = 1;
  if (n > 0) {
    read(connection);
    if (connection.fd && connection.exchange == nullptr) wait_for_record(connection);
  } else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
    feed(connection, ConnEvent::PeerGone);
  } else {
    if (drain_.begun()) ++drained_.closed_idle;
    feed(connection, ConnEvent::Quiet);
  }
}

// A part of a TLS record has arrived, which may be a request. Its rest gets a moment, once.
void Sessions::wait_for_record(Connection& connection) {
  const ConnState state = connection.machine.state;
  if (state != ConnState::New && state != ConnState::Idle) return;
  if (std::exchange(connection.extra->probed, true)) return feed(connection, ConnEvent::Quiet);
  schedule(connection, kRestOfRecord);
}

void Sessions::half_close(Connection& connection, bool quiet) {
  // A descriptor of this socket that somebody else holds would keep close() from sending the FIN
  // (unix(7) passing), and close() with unread bytes sends a RST that can destroy the last
  // response: so FIN first, then read until the peer's.
  end_output(connection);
  set_interest(connection);
  schedule(connection, quiet ? kQuietLinger : kLinger);
}

void Sessions::linger(Connection& connection) {
  for (int i = 0; i < kLingerReads; ++i) {
    bool more = false;
    const ssize_t n = receive(connection, scratch_.data(), scratch_.size(), more);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return feed(connection, ConnEvent::PeerGone);
    if (n < 0) return;
    if (i == 0) linger_on(connection);
  }
  rearm(connection);
}

// A client in the middle of an upload may read our answer only behind it: closing earlier would
// reset the connection and destroy the answer (RFC 9112, 9.6).
void Sessions::linger_on(Connection& connection) {
  if (!connection.extra) connection.extra = std::make_unique<ConnectionExtra>();
  TimePoint& until = connection.extra->linger_until;
  const TimePoint at = now();
  if (until == TimePoint()) until = at + kLongLinger;
  deadlines_.schedule(connection, std::min(at + kLinger, until));
}

void Sessions::close(Connection& connection) {
  if (!connection.fd) return;
  connection.machine.state = ConnState::Closed;
  if (hooks.on_state) tell_state(connection);
  if (options_.stats != nullptr && !shutting_down_) options_.stats->bump_sum("conn.closed", 1);
  if (connection.exchange != nullptr) detach_exchange(connection);
  deadlines_.cancel(connection);
  poller_.remove(connection.fd.get());
  end_output(connection);
  connection.fd.reset();
  remove(connection);
}

// REQUIRES: its descriptor is closed. It is freed when nobody can be using it any more.
void Sessions::remove(Connection& connection) {
  if (giving_ != nullptr) giving_->forget(connection);
  all_.remove(connection);
  closed_.emplace_back(&connection);
  if (hooks.on_room) hooks.on_room();
  if (hooks.on_count && !shutting_down_) hooks.on_count();
  announce_if_gone();
}

void Sessions::collect() { closed_.clear(); }

void Sessions::announce_if_gone() {
  if (size() != 0 || gone_posted_ || shutting_down_) return;
  gone_posted_ = true;
  boost::asio::post(io_, [this] {
    gone_posted_ = false;
    collect();
    if (size() == 0) on_gone_();
  });
}

}  // namespace holdfast::worker
