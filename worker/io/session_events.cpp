// What the epoll set is asked for, and where its events go. Edge-triggered (ADR 0003): whoever
// stops before the kernel has nothing left calls rearm().
#include <sys/epoll.h>

#include "worker/io/sessions.hpp"
#include "worker/io/transport.hpp"

namespace holdfast::worker {
namespace {

constexpr std::uint32_t kGone = EPOLLERR | EPOLLHUP;

}  // namespace

void Connection::on_poll(std::uint32_t events) { owner.on_poll(*this, events); }

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
  if (events == connection.interest || connection.machine.state == ConnState::Offered) return;
  connection.interest = events;
  rearm(connection);
}

// What the kernel holds now is reported once more. What OpenSSL holds it does not know; but there
// is room to write, or will be.
void Sessions::rearm(Connection& connection) {
  if (connection.machine.state == ConnState::Offered) return;  // it is in no set
  const std::uint32_t held = held_bytes(connection) ? EPOLLOUT : 0U;
  poller_.modify(connection.fd.get(), connection.interest | held, connection);
}

void Sessions::on_poll(Connection& connection, std::uint32_t events) {
  // Closed, or offered to another worker, earlier in this batch.
  if (!connection.fd || connection.machine.state == ConnState::Offered) return;
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
    if (!connection.fd || connection.machine.state == ConnState::Lingering ||
        connection.machine.state == ConnState::Offered)
      return;
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

}  // namespace holdfast::worker
