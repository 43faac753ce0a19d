// The exchanges of a worker: those in flight, and a few that wait for the next request with their
// buffers warm. An exchange keeps its place as long as it lives.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "worker/io/exchange.hpp"

namespace holdfast::worker {

class ExchangePool {
 public:
  explicit ExchangePool(Sessions& sessions) : sessions_(sessions) {}

  Exchange& take();
  void give_back(Exchange& exchange);  // it may be gone afterwards

  Exchange* at(std::uint32_t place) { return places_[place].get(); }
  std::size_t in_use() const { return places_.size() - free_places_.size() - idle_.size(); }

 private:
  void add();

  Sessions& sessions_;
  std::vector<std::unique_ptr<Exchange>> places_;
  std::vector<std::uint32_t> free_places_;  // those that hold none
  std::vector<Exchange*> idle_;             // those that serve nobody
};

}  // namespace holdfast::worker
