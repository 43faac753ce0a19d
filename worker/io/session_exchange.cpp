// Which exchange serves which connection, and what becomes of it when the client leaves first.
#include <stdexcept>

#include <boost/asio/post.hpp>

#include "worker/io/sessions.hpp"

namespace holdfast::worker {

Exchange& Sessions::begin_exchange(Connection& connection) {
  if (connection.exchange == nullptr) {
    connection.exchange = &exchanges_.take();
    connection.exchange->connection = &connection;
  }
  Exchange& exchange = *connection.exchange;
  exchange.started = now();
  feed(connection, ConnEvent::BytesArrived);
  return exchange;
}

// The connection is going; its request, if one is in flight, gets its line now.
void Sessions::detach_exchange(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (!exchange.logged && !shutting_down_) {
    if (exchange.completion == Completion::Ok) exchange.completion = Completion::ClientAborted;
    if (!exchange.head_sent && !exchange.hijacked)
      exchange.status = exchange.completion == Completion::Cut ? 503 : 499;
    log(exchange, connection, now());
  }
  connection.exchange = nullptr;
  exchange.connection = nullptr;
  if (exchange.hijacked) exchange.hijacked->exchange = nullptr;
  // A handler that is done may still be inside its call; who called it releases the exchange.
  if (exchange.handler_running || exchange.in_handler_call) {
    ++orphaned_handlers_;
    if (!shutting_down_) fail_callbacks(exchange);
  } else {
    if (exchange.hijacked && !shutting_down_) fail_callbacks(exchange);
    exchanges_.give_back(exchange);
  }
}

// The one place where a request is counted and logged, whichever way it ended.
void Sessions::log(Exchange& exchange, const Connection& connection, TimePoint at) {
  exchange.logged = true;
  ++stats_.requests;
  if (exchange.status >= 500) ++stats_.responses_5xx;
  if (hooks.on_count) hooks.on_count();
  if (drain_.begun() && exchange.completion != Completion::Cut) ++drained_.served;
  requests_.add(exchange, connection, at, drain_.begun());
}

// A callback may end the request, and with it the exchange: all are taken before the first is
// called.
void Sessions::fail_callbacks(Exchange& exchange) {
  const auto body = std::exchange(exchange.body_callback, nullptr);
  const auto flushed = std::exchange(exchange.flush_callback, nullptr);
  tell(exchange.client_closed);
  exchange.drain_callback.reset();
  if (body) body(std::nullopt);
  if (flushed) flushed(false);
}

// Later, never from inside a call of the handler's, and not at all once the handler is done: what
// the notice points to is gone with it.
void Sessions::tell(const std::shared_ptr<Exchange::Notice>& notice) {
  if (!notice) return;
  boost::asio::post(io_, [weak = std::weak_ptr(notice)] {
    const auto alive = weak.lock();
    if (!alive) return;
    if (const auto call = std::exchange(*alive, nullptr)) call();
  });
}

void Sessions::on_client_closed(Exchange& exchange, std::function<void()> callback) {
  if (exchange.stage != Stage::Handling)
    throw std::logic_error("a plain handler answers before it returns");
  exchange.client_closed = std::make_shared<Exchange::Notice>(std::move(callback));
  if (exchange.connection != nullptr) return set_interest(*exchange.connection);
  tell(exchange.client_closed);
}

void Sessions::on_drain(Exchange& exchange, std::function<void()> callback) {
  if (exchange.stage != Stage::Handling)
    throw std::logic_error("a plain handler answers before it returns");
  exchange.drain_callback = std::make_shared<Exchange::Notice>(std::move(callback));
  if (drain_.begun()) tell(exchange.drain_callback);
}

void Sessions::drop_orphan(Exchange& exchange) {
  --orphaned_handlers_;
  exchanges_.give_back(exchange);
  announce_if_gone();
}

}  // namespace holdfast::worker
