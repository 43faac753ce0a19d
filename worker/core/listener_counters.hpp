// What each listener of this worker has done: the numbers of the access log, added up. Nothing is
// allocated after a listener was added, and a response costs a few additions.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

#include "shared/core/control_message.hpp"

namespace holdfast::worker {

// With every number at its largest as many still fit into one message (kMaxControlMessage).
inline constexpr std::size_t kMaxCountedListeners = 48;

class ListenerCounters {
 public:
  // Where the listener of this name is counted; the same for the same name. Where there are too
  // many, the last place counts all the others, under no name.
  std::uint32_t place_of(std::string_view name) {
    const bool full = listeners_.size() + 1 >= kMaxCountedListeners;
    const auto at = std::find_if(listeners_.begin(), listeners_.end(),
                                 [&](const ListenerStats& each) { return each.name == name; });
    const auto place = static_cast<std::uint32_t>(at - listeners_.begin());
    if (at != listeners_.end()) return place;
    if (listeners_.size() == kMaxCountedListeners) return place - 1;
    listeners_.emplace_back().name = full ? std::string_view() : name;
    return place;
  }

  // REQUIRES below: `place` is from place_of().
  void accepted(std::uint32_t place) { ++listeners_[place].accepted; }

  void responded(std::uint32_t place, int status, std::uint64_t received, std::uint64_t sent,
                 std::chrono::microseconds took) {
    ListenerStats& listener = listeners_[place];
    const auto micros = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0));
    ++listener.responses[static_cast<std::size_t>(std::clamp(status / 100, 1, 5) - 1)];
    listener.bytes_received += received;
    listener.bytes_sent += sent;
    listener.latency_us += micros;
    // Counted and not searched: no branch that a mix of times could have mispredicted.
    std::size_t bucket = 0;
    for (const std::uint64_t bound : kLatencyBounds) bucket += micros > bound ? 1 : 0;
    ++listener.latency[bucket];
  }

  // Those with something to say, in the order they were added.
  std::vector<ListenerStats> report() const {
    std::vector<ListenerStats> active;
    for (const ListenerStats& listener : listeners_) {
      const auto& responses = listener.responses;
      const bool answered = std::any_of(responses.begin(), responses.end(),
                                        [](std::uint64_t count) { return count != 0; });
      if (answered || listener.accepted != 0) active.push_back(listener);
    }
    return active;
  }

 private:
  std::vector<ListenerStats> listeners_;
};

}  // namespace holdfast::worker
