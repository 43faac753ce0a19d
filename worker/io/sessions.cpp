#include "worker/io/sessions.hpp"

#include <algorithm>
#include <cerrno>
#include <random>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "holdfast/worker/stats.hpp"
#include "worker/core/ascii.hpp"
#include "worker/core/hex.hpp"
#include "worker/io/transport.hpp"

namespace holdfast::worker {
namespace {

constexpr Millis kLinger{1'000};       // after a response: the client reads it and closes
constexpr Millis kLongLinger{30'000};  // while the client still sends, as nginx's lingering_time
constexpr Millis kQuietLinger{100};    // after nothing: there is no response to protect
constexpr int kLingerReads = 16;       // a turn
constexpr Millis kRestOfRecord{1'000};
// Edge-triggered: a level-triggered set looks at every connection it reported once more, which
// costs each request a poll of its socket. Whoever stops before the kernel has nothing left calls
// rearm().
constexpr std::uint32_t kReading = EPOLLIN | EPOLLRDHUP | EPOLLET;
constexpr std::uint32_t kGone = EPOLLERR | EPOLLHUP;

}  // namespace

void Connection::on_poll(std::uint32_t events) { owner.on_poll(*this, events); }

Sessions::Sessions(boost::asio::io_context& io, LoopClock& clock, const Options& options,
                   const Selector& selector, AccessLog& log, std::function<void()> on_gone)
    : io_(io),
      clock_(clock),
      options_(options),
      selector_(selector),
      log_(log),
      on_gone_(std::move(on_gone)),
      poller_(io, [this] { collect(); }),
      wheel_(clock.is_manual() ? TimerWheel::kExact : TimerWheel::kCoarse),
      wheel_timer_(io, clock, [this] { turn_wheel(); }),
      pid_(static_cast<std::uint64_t>(::getpid())),
      usual_request_id_(equals_ignoring_case(options.request_id_header, "X-Request-ID")),
      scratch_(kReceiveSize) {
  head_limits_.max_head = options.max_head;
  if (!options.request_id_header.empty()) check_header(options.request_id_header, {});
  std::random_device seed;
  id_text_.assign(32, '0');
  write_hex(id_text_.data(), (static_cast<std::uint64_t>(seed()) << 32) | seed());
}

Sessions::~Sessions() {
  shutting_down_ = true;
  while (first_ != nullptr) close(*first_);
}

void Sessions::set_default_header(std::string name, std::string value) {
  check_header(name, value);
  const auto same = [&](const auto& field) { return equals_ignoring_case(field.first, name); };
  std::erase_if(default_headers_, same);
  default_headers_.emplace_back(std::move(name), std::move(value));
  std::vector<HeaderField> fields;
  for (const auto& [key, text] : default_headers_) fields.push_back({key, text});
  default_lines_.clear();
  default_date_ = append_field_lines(default_lines_, 200, fields);
}

// Connections and their machine
// --------------------------------------------------------------------------------------

void Sessions::adopt(UniqueFd fd, PeerAddress peer, const ListenerProfile& listener) {
  auto connection = std::make_unique<Connection>(*this, std::move(fd), peer, listener);
  connection->number = ++accepted_;
  connection->interest = kReading;
  if (listener.tls || listener.proxy_protocol) {
    connection->extra = std::make_unique<ConnectionExtra>();
    connection->extra->handshaking = listener.tls;
    connection->extra->proxy_pending = listener.proxy_protocol;
  }
  if (!poller_.add(connection->fd.get(), kReading, *connection))
    return;  // no memory for it: the client sees a close
  Connection& added = *connection.release();
  added.next = first_;
  if (first_ != nullptr) first_->previous = &added;
  first_ = &added;
  ++open_;
  if (on_state) call_state_hook(added, ConnectionState::New, ConnectionState::New);
  if (draining_) {
    feed(added, ConnEvent::DrainBegan);
  } else {
    schedule(added, listener.tls ? options_.tls.handshake_timeout : options_.header_timeout);
  }
}

void Sessions::feed(Connection& connection, ConnEvent event) {
  const ConnState before = connection.machine.state;
  const auto [next, effect] = step(connection.machine, event);
  connection.machine = next;
  if (on_state) tell_state(connection);
  switch (effect) {
    case ConnEffect::None:
    case ConnEffect::TellHijacker:
      break;
    case ConnEffect::StartGrace:
      start_grace(connection);
      break;
    case ConnEffect::Probe:
      probe(connection);
      break;
    case ConnEffect::HalfClose:
      half_close(connection, before == ConnState::New || before == ConnState::Idle);
      break;
    case ConnEffect::Close:
    case ConnEffect::Abort:
      close(connection);
      break;
  }
}

void Sessions::start_grace(Connection& connection) {
  schedule(connection, connection.machine.state == ConnState::New ? new_grace_ : idle_grace_);
}

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
    if (draining_) ++drained_.closed_idle;
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
  wheel_.schedule(connection, std::min(at + kLinger, until));
  arm_wheel();
}

void Sessions::close(Connection& connection) {
  if (!connection.fd) return;
  connection.machine.state = ConnState::Closed;
  if (on_state) tell_state(connection);
  if (options_.stats != nullptr && !shutting_down_) options_.stats->bump_sum("conn.closed", 1);
  if (connection.exchange != nullptr) detach_exchange(connection);
  wheel_.cancel(connection);
  poller_.remove(connection.fd.get());
  end_output(connection);
  connection.fd.reset();
  if (sweep_at_ == &connection) sweep_at_ = connection.next;
  if (connection.previous != nullptr) {
    connection.previous->next = connection.next;
  } else {
    first_ = connection.next;
  }
  if (connection.next != nullptr) connection.next->previous = connection.previous;
  --open_;
  closed_.emplace_back(&connection);
  if (on_room) on_room();
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

// Events
// -------------------------------------------------------------------------------------------------------------

void Sessions::set_interest(Connection& connection) {
  const Exchange* exchange = connection.exchange;
  if (exchange == nullptr || exchange->stage < Stage::Handling) return watch(connection, kReading);
  if (exchange->stage == Stage::Sending) return watch(connection, EPOLLOUT | EPOLLET);
  // What a handler does not wait for now it may wait for at once, so it is only left out when it
  // comes (poll_handler): most handlers then cost no epoll_ctl(2).
  watch(connection, EPOLLET | (connection.interest & (EPOLLIN | EPOLLRDHUP)) |
                        (exchange->body_callback ? EPOLLIN : 0U) |
                        (exchange->client_closed ? EPOLLRDHUP : 0U) |
                        (exchange->unsent() ? EPOLLOUT : 0U));
}

void Sessions::watch(Connection& connection, std::uint32_t events) {
  if (events == connection.interest) return;
  connection.interest = events;
  rearm(connection);
}

// What the kernel holds now is reported once more. What OpenSSL holds it does not know; but there
// is room to write, or will be.
void Sessions::rearm(Connection& connection) {
  const std::uint32_t held = held_bytes(connection) ? EPOLLOUT : 0U;
  poller_.modify(connection.fd.get(), connection.interest | held, connection);
}

void Sessions::on_poll(Connection& connection, std::uint32_t events) {
  if (!connection.fd) return;  // closed earlier in this batch
  if (connection.extra && (connection.extra->handshaking || connection.extra->proxy_pending)) {
    if (!prepare(connection)) return;
    events |= EPOLLIN;  // its edge may be gone
  }
  if (held_bytes(connection)) {  // see rearm()
    events |= EPOLLIN;
    if ((connection.interest & EPOLLOUT) == 0) events &= ~static_cast<std::uint32_t>(EPOLLOUT);
  }
  if (connection.machine.state == ConnState::Lingering) return linger(connection);
  if (connection.machine.state == ConnState::Hijacked) return poll_hijacked(connection, events);
  if ((events & EPOLLOUT) != 0 && connection.exchange != nullptr) {
    continue_sending(connection);
    if (!connection.fd || connection.machine.state == ConnState::Lingering) return;
  }
  if (connection.exchange != nullptr && connection.exchange->stage == Stage::Handling)
    return poll_handler(connection, events);
  if ((connection.interest & EPOLLIN) != 0) {
    if ((events & (EPOLLIN | EPOLLRDHUP | kGone)) != 0)
      read(connection, (events & (EPOLLRDHUP | kGone)) != 0);
  } else if ((events & kGone) != 0) {
    feed(connection, ConnEvent::PeerGone);
  }
}

void Sessions::poll_handler(Connection& connection, std::uint32_t events) {
  Exchange& exchange = *connection.exchange;
  const std::uint32_t input = events & (EPOLLIN | EPOLLRDHUP);
  if (exchange.body_callback) {
    if ((input | (events & kGone)) != 0) read(connection, (events & (EPOLLRDHUP | kGone)) != 0);
    return;
  }
  if ((events & kGone) != 0) return feed(connection, ConnEvent::PeerGone);
  if (input == 0) return;
  watch(connection, connection.interest & ~input);
  if ((input & EPOLLRDHUP) != 0) tell(exchange.client_closed);
}

Stats Sessions::stats() const {
  Stats now = stats_;
  now.connections = open_;
  now.in_flight = exchanges_.size() - free_places_.size() - idle_exchanges_.size();
  now.idle = open_ - std::min<std::size_t>(open_, now.in_flight - orphaned_handlers_);
  return now;
}

}  // namespace holdfast::worker
