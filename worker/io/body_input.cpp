// The body of a request as a streaming handler reads it: nothing is read while nobody asks.
#include <cstring>

#include "worker/io/sessions.hpp"

namespace holdfast::worker {

void Sessions::send_continue(Exchange& exchange) {
  exchange.expects_continue = false;
  exchange.out += "HTTP/1.1 100 Continue\r\n\r\n";
  send(*exchange.connection, exchange);
}

void Sessions::read_body(Exchange& exchange, std::span<char> into, Request::BodyCallback callback) {
  if (exchange.connection == nullptr || exchange.completion != Completion::Ok)
    return callback(std::nullopt);
  if (exchange.body_done || into.empty()) return callback(std::size_t{0});
  exchange.body_into = into;
  exchange.body_callback = std::move(callback);
  Connection& connection = *exchange.connection;
  if (exchange.expects_continue && exchange.in.empty() && !exchange.head_sent)
    send_continue(exchange);
  if (!exchange.in.empty()) return deliver_body(connection, {});
  wait_for_body(connection);
  set_interest(connection);
}

void Sessions::wait_for_body(Connection& connection) {
  deadlines_.schedule(connection, connection.exchange->pace.wait(now()));
}

void Sessions::deliver_body(Connection& connection, std::string_view fresh) {
  Exchange& exchange = *connection.exchange;
  const bool stored = !exchange.in.empty();
  if (stored) exchange.in += fresh;
  std::string_view rest = stored ? std::string_view(exchange.in) : fresh;
  std::size_t filled = 0;
  RequestParser::BodyStep step;
  do {
    step = exchange.parser.feed_body(
        rest,
        [&](std::string_view piece) {
          std::memcpy(exchange.body_into.data() + filled, piece.data(), piece.size());
          filled += piece.size();
        },
        exchange.body_into.size());
    rest.remove_prefix(step.consumed);
    exchange.bytes_received += step.consumed;
  } while (filled == 0 && step.consumed != 0 && !step.done && step.reject_status == 0 &&
           !rest.empty());
  if (stored) {
    exchange.in.erase(0, exchange.in.size() - rest.size());
  } else {
    exchange.in.assign(rest);
  }
  exchange.request_size += filled;
  if (!fresh.empty()) exchange.pace.arrived(now(), fresh.size());
  exchange.body_done = step.done;
  if (step.reject_status != 0) {
    exchange.completion = Completion::Rejected;
    exchange.status = step.reject_status;
    return fail_callbacks(exchange);
  }
  if (filled == 0 && !step.done) {
    wait_for_body(connection);
    return set_interest(connection);
  }
  deadlines_.cancel(connection);
  std::exchange(exchange.body_callback, nullptr)(filled);
}

}  // namespace holdfast::worker
