// Connections whose stream a handler took: reads and writes for it over the same set and transport.
#include "holdfast/worker/hijacked.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <sys/epoll.h>

#include <boost/asio/post.hpp>

#include "worker/io/sessions.hpp"
#include "worker/io/transport.hpp"

namespace holdfast::worker {

Hijacked& Hijacked::operator=(Hijacked&& other) noexcept {
  if (this != &other) {
    close();
    state_ = std::move(other.state_);
  }
  return *this;
}
Hijacked::~Hijacked() { close(); }

bool Hijacked::open() const { return state_ && state_->exchange != nullptr; }

void Hijacked::read_some(std::span<char> into, ReadCallback callback) {
  if (!open()) return callback(std::nullopt);
  state_->exchange->sessions().read_hijacked(*state_->exchange, into, std::move(callback));
}

void Hijacked::write(std::string_view bytes, WriteCallback callback) {
  if (!open()) return callback(false);
  state_->exchange->sessions().write_hijacked(*state_->exchange, bytes, std::move(callback));
}

void Hijacked::on_drain(std::function<void()> callback) {
  if (open()) state_->exchange->sessions().on_drain(*state_->exchange, std::move(callback));
}

void Hijacked::close() {
  if (open()) state_->exchange->sessions().close_hijacked(*state_->exchange);
}

int Hijacked::native_handle() const { return open() ? state_->exchange->connection->fd.get() : -1; }

// Sessions
// ------------------------------------------------------------------------------------------------

Hijacked Sessions::hijack(Exchange& exchange) {
  if (exchange.stage != Stage::Handling)
    throw std::logic_error("only a streaming handler may hijack");
  if (exchange.head_sent) throw std::logic_error("the response's head is already sent");
  if (exchange.body_callback) throw std::logic_error("the request's body is being read");
  auto state = std::make_shared<HijackState>();
  if (exchange.connection == nullptr) return Hijacked(std::move(state));  // the client left before
  state->exchange = &exchange;
  exchange.hijacked = state;
  exchange.status = 101;
  exchange.completion = Completion::Hijacked;
  exchange.client_closed.reset();
  exchange.bytes_received += exchange.in.size();  // nobody else will count them
  Connection& connection = *exchange.connection;
  deadlines_.cancel(connection);
  feed(connection, ConnEvent::HijackTaken);
  return Hijacked(std::move(state));
}

void Sessions::read_hijacked(Exchange& exchange, std::span<char> into,
                             Hijacked::ReadCallback callback) {
  exchange.body_into = into;
  exchange.body_callback = std::move(callback);
  Connection& connection = *exchange.connection;
  if (!exchange.in.empty()) return deliver_hijacked(connection);
  watch_hijacked(connection);
}

void Sessions::deliver_hijacked(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  const std::size_t n = std::min(exchange.in.size(), exchange.body_into.size());
  std::memcpy(exchange.body_into.data(), exchange.in.data(), n);
  exchange.in.erase(0, n);
  std::exchange(exchange.body_callback, nullptr)(n);
}

void Sessions::write_hijacked(Exchange& exchange, std::string_view bytes,
                              Hijacked::WriteCallback callback) {
  exchange.out += bytes;
  Connection& connection = *exchange.connection;
  switch (send(connection, exchange)) {
    case SendResult::Failed:
      feed(connection, ConnEvent::PeerGone);
      return callback(false);
    case SendResult::Complete:
      return callback(true);
    case SendResult::Blocked:
      exchange.flush_callback = std::move(callback);
      return watch_hijacked(connection);
  }
}

// What nobody waits for is left out only when it comes, as for handlers.
void Sessions::watch_hijacked(Connection& connection) {
  const Exchange& exchange = *connection.exchange;
  watch(connection, EPOLLET | (connection.interest & (EPOLLIN | EPOLLRDHUP)) |
                        (exchange.body_callback ? EPOLLIN | EPOLLRDHUP : 0U) |
                        (exchange.unsent() ? EPOLLOUT : 0U));
}

void Sessions::poll_hijacked(Connection& connection, std::uint32_t events) {
  Exchange& exchange = *connection.exchange;
  if ((events & EPOLLOUT) != 0 && exchange.unsent()) {
    const SendResult sent = send(connection, exchange);
    if (sent == SendResult::Failed) return feed(connection, ConnEvent::PeerGone);
    if (sent == SendResult::Blocked && exchange.close_after)
      schedule(connection, options_.body_timeout);
    if (sent == SendResult::Complete) {
      if (exchange.close_after) return release_hijacked(connection);
      watch_hijacked(connection);
      if (auto callback = std::exchange(exchange.flush_callback, nullptr)) callback(true);
      if (connection.exchange != &exchange) return;  // it closed the stream
    }
  }
  const std::uint32_t input = events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR);
  if (input == 0) return;
  if (!exchange.body_callback) {
    if ((input & EPOLLERR) != 0) return feed(connection, ConnEvent::PeerGone);
    return watch(connection, connection.interest & ~(EPOLLIN | EPOLLRDHUP));
  }
  bool more = false;
  const ssize_t n = receive(connection, scratch_.data(), scratch_.size(), more);
  if (n < 0 && errno == EAGAIN) return;
  if (n < 0) return feed(connection, ConnEvent::PeerGone);
  exchange.bytes_received += static_cast<std::uint64_t>(n);
  if (n == 0) {
    watch(connection, connection.interest & ~input);  // the next read meets the end again
    return std::exchange(exchange.body_callback, nullptr)(std::size_t{0});
  }
  exchange.in.assign(scratch_.data(), static_cast<std::size_t>(n));
  deliver_hijacked(connection);
  if (connection.fd && (more || (input & ~EPOLLIN) != 0)) rearm(connection);
}

void Sessions::close_hijacked(Exchange& exchange) {
  Connection& connection = *exchange.connection;
  if (!exchange.unsent()) return release_hijacked(connection);
  exchange.hijacked->exchange = nullptr;
  exchange.close_after = true;
  schedule(connection, options_.body_timeout);
  watch_hijacked(connection);
  fail_callbacks(exchange);
}

// The line is written now; the handler may still be at work.
void Sessions::release_hijacked(Connection& connection) {
  detach_exchange(connection);
  feed(connection, ConnEvent::HijackReleased);
}

}  // namespace holdfast::worker
