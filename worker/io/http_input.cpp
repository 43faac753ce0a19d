// Bytes in: heads, bodies, and whom they are for.
#include <algorithm>
#include <cerrno>

#include "worker/core/request_line.hpp"
#include "worker/io/handoff_giving.hpp"
#include "worker/io/sessions.hpp"
#include "worker/io/transport.hpp"

namespace holdfast::worker {

// `peer_ended`: its FIN or an error is behind what it sent.
void Sessions::read(Connection& connection, bool peer_ended) {
  bool more = false;
  const ssize_t n = receive(connection, scratch_.data(), scratch_.size(), more);
  if (n > 0) {
    const std::string_view fresh(scratch_.data(), static_cast<std::size_t>(n));
    if (connection.exchange == nullptr) begin_exchange(connection);
    if (connection.exchange->stage == Stage::Handling) {
      deliver_body(connection, fresh);
    } else {
      on_bytes(connection, fresh);
    }
    if ((more || peer_ended) && connection.fd) rearm(connection);
  } else if (n == 0 || errno != EAGAIN) {
    // The client's FIN, or a break: between requests the ordinary end; inside one it will never be
    // whole.
    feed(connection, ConnEvent::PeerGone);
  }
}

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
      exchanges_.give_back(*std::exchange(connection.exchange, nullptr));
      set_interest(connection);
      return Step::Wait;
    }
    begin_exchange(connection);
    if (connection.machine.moving && rest.size() <= kMaxPending) {
      keep(*connection.exchange, input);
      if (giving_->offer_now(connection)) return Step::Gone;
    }
  }
  Exchange& exchange = *connection.exchange;
  if (exchange.stage == Stage::Body) return collect_body(connection, rest);
  const HeadScan scan = exchange.parser.scan(rest, exchange.scan_resume, head_limits_);
  switch (scan.verdict) {
    case HeadScan::Verdict::NeedMore:
      wait_for_head(connection);
      return Step::Wait;
    case HeadScan::Verdict::Reject:
      exchange.bytes_received = rest.size();
      exchange.head_copy = first_line(rest);  // the log's; its bytes may be gone by then
      return reject(connection, scan.status, scan.reason);
    case HeadScan::Verdict::Complete:
      break;
  }
  const std::string_view head = rest.substr(scan.skip, scan.size);
  exchange.bytes_received = scan.skip + scan.size;
  exchange.scan_resume = 0;
  rest.remove_prefix(scan.skip + scan.size);
  exchange.head_parsed = true;
  return begin_request(connection, head, input);
}

void Sessions::wait_for_head(Connection& connection) {
  TimePoint until = connection.exchange->started + options_.header_timeout;
  // The first request's time began with the accept, and its timer runs already.
  const bool first = connection.machine.requests == 1 && !drain_.begun() && connection.scheduled();
  if (first) until = std::min(until, connection.deadline());
  deadlines_.schedule(connection, until);
}

Sessions::Step Sessions::begin_request(Connection& connection, std::string_view head,
                                       Input& input) {
  Exchange& exchange = *connection.exchange;
  std::string_view& rest = input.rest;
  const RequestHead& request = exchange.parser.head();
  exchange.pace.begin(options_.body_timeout, options_.min_body_progress);
  exchange.is_head_request = request.method == "HEAD";
  exchange.body_done = exchange.parser.body_done();
  exchange.expects_continue = request.expect_continue && request.minor == 1 && !exchange.body_done;
  try {
    exchange.handler = &selector_(exchange.request());
  } catch (...) {
    exchange.persist_head(head);  // the answer may have to wait, and with it the line in the log
    return fail(connection, std::current_exception());
  }
  if (std::holds_alternative<StreamHandler>(*exchange.handler)) {
    exchange.persist_head(head);
    return run_stream(connection, input);
  }
  if (exchange.body_done) return run_plain(connection, head, rest);
  if (request.has_length && request.content_length > options_.max_body) {
    exchange.persist_head(head);
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
  wait_for_body(connection);
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
  exchange.pace.arrived(now(), step.consumed);
  if (step.reject_status != 0)
    return reject(connection, step.reject_status, "the request's body is malformed");
  if (exchange.body.size() > options_.max_body)
    return reject(connection, 413, "the request's body is too large");
  if (!step.done) {
    wait_for_body(connection);
    return Step::Wait;
  }
  exchange.body_done = true;
  exchange.body_view = exchange.body;
  return run_plain(connection, exchange.head_copy, rest);
}

}  // namespace holdfast::worker
