// Calls of handlers, how they end, and the answers given instead of them.
#include "worker/io/sessions.hpp"

namespace holdfast::worker {

namespace {

std::string text_of(std::exception_ptr error) {
  try {
    std::rethrow_exception(error);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "an exception of an unknown type";
  }
}

}  // namespace

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
  deadlines_.cancel(connection);  // a handler may take as long as it likes
  exchange.handler_running = exchange.in_handler_call = true;
  exchange.call = ++calls_;
  std::exception_ptr error;
  bool finished = false;
  try {
    std::get<StreamHandler> (*exchange.handler)(
        exchange.request(), exchange.response(),
        [this, place = exchange.place, call = exchange.call](std::exception_ptr thrown) {
          late_done(place, call, thrown);
        });
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
  if (exchange.hijacked) {
    watch_hijacked(connection);
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

// A handler calls done. One that threw before has ended without it, and its exchange may serve
// another request by now, or be gone.
void Sessions::late_done(std::uint32_t place, std::uint32_t call, std::exception_ptr error) {
  Exchange* exchange = exchanges_.at(place);
  if (exchange != nullptr && exchange->call == call) handler_done(*exchange, error);
}

// A handler is done, inside its call or later.
void Sessions::handler_done(Exchange& exchange, std::exception_ptr error) {
  if (!exchange.handler_running) return;
  exchange.handler_running = false;
  exchange.call = 0;
  exchange.client_closed.reset();
  if (!exchange.hijacked) exchange.drain_callback.reset();
  if (exchange.connection == nullptr) {
    if (!exchange.in_handler_call) drop_orphan(exchange);
    return;
  }
  Connection& connection = *exchange.connection;
  if (exchange.hijacked) {
    if (error) {
      exchange.set_log_field("error", text_of(error));
      exchange.completion = Completion::HandlerError;
      feed(connection, ConnEvent::PeerGone);
    }
    return;
  }
  if (error) {
    if (exchange.head_sent) {
      exchange.set_log_field("error", text_of(error));
      return abort(connection, exchange.completion == Completion::Ok ? Completion::HandlerError
                                                                     : exchange.completion);
    }
    set_error_answer(exchange, error);
  }
  if (exchange.in_handler_call) return;  // the caller goes on
  if (respond(connection) == Step::Next) on_bytes(connection, {});
}

// REQUIRES: no head was sent.
void Sessions::set_error_answer(Exchange& exchange, std::exception_ptr error) {
  exchange.set_log_field("error", text_of(error));
  switch (exchange.completion) {
    case Completion::Timeout:
      return exchange.set_plain_answer(408, "the request took too long\n");
    case Completion::Rejected:
      return exchange.set_plain_answer(400, "the request's body is malformed\n");
    default:
      exchange.completion = Completion::HandlerError;
      return exchange.set_plain_answer(500, "internal error\n");
  }
}

}  // namespace holdfast::worker
