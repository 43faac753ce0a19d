// Which exchange serves which connection, and what becomes of it when the client leaves first.
#include "worker/io/sessions.hpp"

namespace holdfast::worker {

namespace {

constexpr std::size_t kPooledExchanges = 64;
constexpr std::size_t kKeptInput = 64 * 1024;

}  // namespace

Exchange& Sessions::begin_exchange(Connection& connection) {
  if (connection.exchange == nullptr) {
    if (idle_exchanges_.empty()) {
      exchanges_.push_back(std::make_unique<Exchange>(*this));
      exchanges_.back()->place = exchanges_.size() - 1;
      idle_exchanges_.push_back(exchanges_.back().get());
    }
    connection.exchange = idle_exchanges_.back();
    idle_exchanges_.pop_back();
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
    if (!exchange.head_sent) exchange.status = exchange.completion == Completion::Cut ? 503 : 499;
    log(exchange, connection, now());
  }
  connection.exchange = nullptr;
  exchange.connection = nullptr;
  if (exchange.handler_running) {
    ++orphaned_handlers_;
    if (!shutting_down_) fail_callbacks(exchange);
  } else {
    release(exchange);
  }
}

void Sessions::release(Exchange& exchange) {
  if (idle_exchanges_.size() >= kPooledExchanges) {
    const std::size_t place = exchange.place;
    std::swap(exchanges_[place], exchanges_.back());
    exchanges_[place]->place = place;
    exchanges_.pop_back();
    return;
  }
  exchange.reset_request();
  exchange.in.clear();
  if (exchange.in.capacity() > kKeptInput) exchange.in.shrink_to_fit();
  exchange.connection = nullptr;
  idle_exchanges_.push_back(&exchange);
}

void Sessions::fail_callbacks(Exchange& exchange) {
  const auto body = std::exchange(exchange.body_callback, nullptr);
  const auto flushed = std::exchange(exchange.flush_callback, nullptr);
  if (body) return body(std::nullopt);
  if (flushed) flushed(false);
}

void Sessions::drop_orphan(Exchange& exchange) {
  --orphaned_handlers_;
  release(exchange);
  announce_if_gone();
}

}  // namespace holdfast::worker
