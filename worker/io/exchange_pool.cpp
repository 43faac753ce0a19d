#include "worker/io/exchange_pool.hpp"

namespace holdfast::worker {
namespace {

constexpr std::size_t kPooledExchanges = 64;
constexpr std::size_t kKeptInput = 64 * 1024;

}  // namespace

Exchange& ExchangePool::take() {
  if (idle_.empty()) add();
  Exchange& exchange = *idle_.back();
  idle_.pop_back();
  return exchange;
}

void ExchangePool::add() {
  if (free_places_.empty()) {
    free_places_.push_back(static_cast<std::uint32_t>(places_.size()));
    places_.emplace_back();
  }
  auto exchange = std::make_unique<Exchange>(sessions_);
  exchange->place = free_places_.back();
  free_places_.pop_back();
  idle_.push_back(exchange.get());
  places_[exchange->place] = std::move(exchange);
}

void ExchangePool::give_back(Exchange& exchange) {
  if (idle_.size() >= kPooledExchanges) {
    free_places_.push_back(exchange.place);
    places_[exchange.place].reset();
    return;
  }
  exchange.reset_request();
  exchange.in.clear();
  if (exchange.in.capacity() > kKeptInput) exchange.in.shrink_to_fit();
  exchange.connection = nullptr;
  idle_.push_back(&exchange);
}

}  // namespace holdfast::worker
