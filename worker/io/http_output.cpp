// Bytes out: responses, back-pressure, and the line in the access log.
#include <cerrno>
#include <charconv>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "worker/io/sessions.hpp"

namespace holdfast::worker {
Sessions::Step Sessions::respond(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  exchange.stage = Stage::Sending;
  exchange.finish_body();
  if (exchange.length_broken) {
    exchange.completion = Completion::HandlerError;
    exchange.close_after = true;
  }
  switch (send(connection, exchange)) {
    case SendResult::Complete:
      return finish_request(connection);
    case SendResult::Blocked:
      schedule(connection, options_.body_timeout);
      set_interest(connection);
      return Step::Wait;
    case SendResult::Failed:
      break;
  }
  feed(connection, ConnEvent::PeerGone);
  return Step::Gone;
}

Sessions::Step Sessions::finish_request(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  const TimePoint done_at = now();
  log(exchange, connection, done_at);
  const bool reuse = !exchange.close_after;
  exchange.reset_request();
  if (reuse) {
    feed(connection, ConnEvent::ResponseReusable);
    if (!connection.machine.draining) {
      wheel_.schedule(connection, done_at + options_.keep_alive_timeout);
      arm_wheel();
    }
    return Step::Next;
  }
  release(*std::exchange(connection.exchange, nullptr));
  feed(connection, ConnEvent::ResponseFinal);
  return Step::Gone;
}

Sessions::SendResult Sessions::send(Connection& connection, Exchange& exchange) {
  while (exchange.unsent() != 0) {
    const ssize_t n = ::send(connection.fd.get(), exchange.out.data() + exchange.out_begin,
                             exchange.unsent(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN ? SendResult::Blocked : SendResult::Failed;
    exchange.out_begin += static_cast<std::size_t>(n);
    exchange.bytes_sent += static_cast<std::uint64_t>(n);
  }
  exchange.out.clear();
  exchange.out_begin = 0;
  return SendResult::Complete;
}

void Sessions::continue_sending(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  switch (send(connection, exchange)) {
    case SendResult::Failed:
      return feed(connection, ConnEvent::PeerGone);
    case SendResult::Blocked:
      return schedule(connection,
                      options_.body_timeout);  // bytes moved: the client is slow, not dead
    case SendResult::Complete:
      break;
  }
  if (exchange.stage == Stage::Sending) {
    if (finish_request(connection) == Step::Next) on_bytes(connection, {});
    return;
  }
  wheel_.cancel(connection);
  const auto callback = std::exchange(exchange.flush_callback, nullptr);
  set_interest(connection);
  if (callback) callback(true);
}

// For the handler
// ----------------------------------------------------------------------------------------------------

void Sessions::flush(Exchange& exchange) {
  if (exchange.connection == nullptr) {
    exchange.pending.clear();
    return;
  }
  Connection& connection = *exchange.connection;
  exchange.start_stream();
  exchange.frame_pending();
  switch (send(connection, exchange)) {
    case SendResult::Failed:
      return feed(connection, ConnEvent::PeerGone);
    case SendResult::Blocked:
      schedule(connection, options_.body_timeout);
      return set_interest(connection);
    case SendResult::Complete:
      return;
  }
}

void Sessions::flush_then(Exchange& exchange, ResponseWriter::FlushCallback callback) {
  flush(exchange);
  if (exchange.connection == nullptr) return callback(false);
  if (exchange.unsent() == 0) return callback(true);
  exchange.flush_callback = std::move(callback);
}

// The response cannot be completed: the client must not take what it has for the whole.
void Sessions::abort(Connection& connection, Completion why) {
  connection.exchange->completion = why;
  mark_incomplete(connection);
  feed(connection, ConnEvent::TimedOut);
}

void Sessions::mark_incomplete(Connection& connection) {
  const Exchange& exchange = *connection.exchange;
  if (!exchange.head_sent || exchange.framing != BodyFraming::UntilClose) return;
  // Where the end of the body is the end of the connection, only a reset tells the two apart.
  const ::linger reset{1, 0};
  ::setsockopt(connection.fd.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
}

bool Sessions::must_close(const Exchange& exchange) const {
  const std::size_t limit = options_.requests_per_connection;
  if (limit != 0 && exchange.connection != nullptr &&
      exchange.connection->machine.requests >= limit)
    return true;
  return draining_ && !next_request_is_here(exchange);
}

// What a client sent behind a request whose response says close is lost (RFC 9112, 9.3.2). So a
// draining worker says it in the response to the last request that has arrived.
bool Sessions::next_request_is_here(const Exchange& exchange) const {
  if (exchange.connection == nullptr || !exchange.body_done || exchange.handler == nullptr)
    return false;
  const bool streams = std::holds_alternative<StreamHandler>(*exchange.handler);
  if (streams ? !exchange.in.empty() : exchange.read_ahead) return true;
  char byte = 0;
  return ::recv(exchange.connection->fd.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

std::string_view Sessions::http_date(const Exchange& exchange) {
  // A streaming handler begins its response whenever it likes; otherwise bytes came just now.
  return wall_.http_date(exchange.stage == Stage::Handling ? now() : last_seen_);
}

}  // namespace holdfast::worker
