// Bytes in: heads, bodies, and whom they are for.
#include <cerrno>
#include <cstring>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "worker/io/sessions.hpp"

namespace holdfast::worker {

void Sessions::read(Connection& connection) {
  const ssize_t n = ::recv(connection.fd.get(), scratch_.data(), scratch_.size(), MSG_DONTWAIT);
  if (n > 0) {
    const std::string_view fresh(scratch_.data(), static_cast<std::size_t>(n));
    if (connection.exchange == nullptr) begin_exchange(connection);
    if (connection.exchange->stage == Stage::Handling) return deliver_body(connection, fresh);
    on_bytes(connection, fresh);
  } else if (n == 0) {
    end_of_input(connection);
  } else if (errno != EAGAIN && errno != EINTR) {
    feed(connection, ConnEvent::PeerGone);
  }
}

// The client's FIN. Between requests it is the ordinary end; inside one the request will never be
// whole.
void Sessions::end_of_input(Connection& connection) { feed(connection, ConnEvent::PeerGone); }

// Reads requests until they run out. What is left stays in the exchange: an idle connection has
// none.
void Sessions::on_bytes(Connection& connection, std::string_view fresh) {
  Exchange& exchange = *connection.exchange;
  Input input{fresh, !exchange.in.empty()};
  if (input.stored) {
    exchange.in += fresh;
    input.rest = exchange.in;
  }
  Step step = Step::Next;
  while (step == Step::Next) step = advance(connection, input);
  if (step == Step::Gone || connection.exchange == nullptr) return;
  if (exchange.stage != Stage::Handling) keep(exchange, input);
  set_interest(connection);
}

void Sessions::keep(Exchange& exchange, Input& input) {
  if (input.stored) {
    exchange.in.erase(0, exchange.in.size() - input.rest.size());
  } else {
    exchange.in.assign(input.rest);
  }
  input = {exchange.in, true};
}

Sessions::Step Sessions::advance(Connection& connection, Input& input) {
  std::string_view& rest = input.rest;
  if (connection.machine.state == ConnState::Idle) {
    if (rest.empty()) {
      release(*std::exchange(connection.exchange, nullptr));
      set_interest(connection);
      return Step::Wait;
    }
    begin_exchange(connection);
  }
  Exchange& exchange = *connection.exchange;
  if (exchange.stage == Stage::Body) return collect_body(connection, rest);
  const HeadScan scan = scan_head(rest, exchange.scan_resume, head_limits_);
  switch (scan.verdict) {
    case HeadScan::Verdict::NeedMore:
      wheel_.schedule(connection, exchange.started + options_.header_timeout);
      arm_wheel();
      return Step::Wait;
    case HeadScan::Verdict::Reject:
      exchange.bytes_received = rest.size();
      return reject(connection, scan.status, scan.reason);
    case HeadScan::Verdict::Complete:
      break;
  }
  const std::string_view head = rest.substr(scan.skip, scan.size);
  exchange.bytes_received = scan.skip + scan.size;
  exchange.scan_resume = 0;
  rest.remove_prefix(scan.skip + scan.size);
  if (const int status = exchange.parser.parse_head(head, head_limits_); status != 0) {
    return reject(connection, status, "the request's head is malformed");
  }
  exchange.head_parsed = true;
  return begin_request(connection, head, input);
}

Sessions::Step Sessions::begin_request(Connection& connection, std::string_view head,
                                       Input& input) {
  Exchange& exchange = *connection.exchange;
  std::string_view& rest = input.rest;
  const RequestHead& request = exchange.parser.head();
  exchange.is_head_request = request.method == "HEAD";
  exchange.body_done = exchange.parser.body_done();
  exchange.expects_continue = request.expect_continue && request.minor == 1 && !exchange.body_done;
  try {
    exchange.handler = &selector_(exchange.request());
  } catch (...) {
    return fail(connection, std::current_exception());
  }
  if (std::holds_alternative<StreamHandler>(*exchange.handler)) {
    exchange.persist_head(head);
    return run_stream(connection, input);
  }
  if (exchange.body_done) return run_plain(connection, head, rest);
  if (request.has_length && request.content_length > options_.max_body) {
    return reject(connection, 413, "the request's body is too large");
  }
  if (request.has_length && rest.size() >= request.content_length) {
    const auto size = static_cast<std::size_t>(request.content_length);
    exchange.body_view = rest.substr(0, size);
    rest.remove_prefix(size);
    exchange.request_size = size;
    exchange.bytes_received += size;
    exchange.body_done = true;
    return run_plain(connection, head, rest);
  }
  exchange.persist_head(head);
  exchange.stage = Stage::Body;
  if (exchange.expects_continue && rest.empty()) send_continue(exchange);
  schedule(connection, options_.body_timeout);
  return collect_body(connection, rest);
}

Sessions::Step Sessions::collect_body(Connection& connection, std::string_view& rest) {
  Exchange& exchange = *connection.exchange;
  const auto step = exchange.parser.feed_body(rest, [&](std::string_view piece) {
    if (exchange.body.size() <= options_.max_body) exchange.body += piece;
  });
  rest.remove_prefix(step.consumed);
  exchange.bytes_received += step.consumed;
  exchange.request_size = exchange.body.size();
  if (step.reject_status != 0)
    return reject(connection, step.reject_status, "the request's body is malformed");
  if (exchange.body.size() > options_.max_body)
    return reject(connection, 413, "the request's body is too large");
  if (!step.done) {
    schedule(connection, options_.body_timeout);
    return Step::Wait;
  }
  exchange.body_done = true;
  exchange.body_view = exchange.body;
  return run_plain(connection, exchange.head_copy, rest);
}

Sessions::Step Sessions::run_plain(Connection& connection, std::string_view head,
                                   std::string_view rest) {
  Exchange& exchange = *connection.exchange;
  exchange.read_ahead = !rest.empty();
  exchange.handler_running = exchange.in_handler_call = true;
  std::exception_ptr error;
  try {
    std::get<PlainHandler> (*exchange.handler)(exchange.request(), exchange.response());
  } catch (...) {
    error = std::current_exception();
  }
  const Step step = after_handler_call(connection, exchange, error, true);
  // What the kernel did not take yet is logged later, when the bytes of the head are no longer
  // there.
  if (step == Step::Wait && connection.exchange == &exchange && exchange.head_copy.empty())
    exchange.persist_head(head);
  return step;
}

Sessions::Step Sessions::run_stream(Connection& connection, Input& input) {
  Exchange& exchange = *connection.exchange;
  keep(exchange, input);
  exchange.stage = Stage::Handling;
  wheel_.cancel(connection);  // a handler may take as long as it likes
  exchange.handler_running = exchange.in_handler_call = true;
  std::exception_ptr error;
  bool finished = false;
  try {
    std::get<StreamHandler> (*exchange.handler)(
        exchange.request(), exchange.response(),
        [this, &exchange](std::exception_ptr thrown) { handler_done(exchange, thrown); });
  } catch (...) {
    error = std::current_exception();
    finished = true;
  }
  const Step step = after_handler_call(connection, exchange, error, finished);
  if (step == Step::Next) input = {exchange.in, true};  // the handler may have read from it
  return step;
}

// The part that both kinds share: a handler that is done before its call returned is answered here.
Sessions::Step Sessions::after_handler_call(Connection& connection, Exchange& exchange,
                                            std::exception_ptr error, bool finished) {
  if (finished && exchange.handler_running) handler_done(exchange, error);
  exchange.in_handler_call = false;
  if (exchange.connection == nullptr) {
    // The client left during the call.
    if (!exchange.handler_running) drop_orphan(exchange);
    return Step::Gone;
  }
  if (!exchange.handler_running) return respond(connection);
  set_interest(connection);
  return Step::Wait;
}

Sessions::Step Sessions::reject(Connection& connection, int status, const char* reason,
                                Completion why) {
  Exchange& exchange = *connection.exchange;
  exchange.completion = why;
  exchange.close_after = true;
  exchange.set_plain_answer(status, std::string(reason) + "\n");
  exchange.set_log_field("reason", reason);
  return respond(connection);
}

// No handler could be chosen: an error of the service, like one that its handler throws.
Sessions::Step Sessions::fail(Connection& connection, std::exception_ptr error) {
  Exchange& exchange = *connection.exchange;
  exchange.close_after = !exchange.body_done;
  set_error_answer(exchange, error);
  return respond(connection);
}

void Sessions::send_continue(Exchange& exchange) {
  exchange.expects_continue = false;
  exchange.out += "HTTP/1.1 100 Continue\r\n\r\n";
  send(*exchange.connection, exchange);
}

// A streaming handler's body
// -----------------------------------------------------------------------------------------

void Sessions::read_body(Exchange& exchange, std::span<char> into, Request::BodyCallback callback) {
  if (exchange.connection == nullptr || exchange.completion != Completion::Ok)
    return callback(std::nullopt);
  if (exchange.body_done || into.empty()) return callback(std::size_t{0});
  exchange.body_into = into;
  exchange.body_callback = std::move(callback);
  Connection& connection = *exchange.connection;
  if (exchange.expects_continue && exchange.in.empty()) send_continue(exchange);
  if (!exchange.in.empty()) return deliver_body(connection, {});
  schedule(connection, options_.body_timeout);
  set_interest(connection);
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
  exchange.body_done = step.done;
  if (step.reject_status != 0) {
    exchange.completion = Completion::Rejected;
    exchange.status = step.reject_status;
    return fail_callbacks(exchange);
  }
  if (filled == 0 && !step.done) {
    schedule(connection, options_.body_timeout);
    return set_interest(connection);
  }
  wheel_.cancel(connection);
  const auto callback = std::exchange(exchange.body_callback, nullptr);
  set_interest(connection);
  callback(filled);
}

}  // namespace holdfast::worker
