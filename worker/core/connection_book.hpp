// The connections of a server that is not ours: what each is doing, and in a drain which of them
// are asked to leave, when. Decides only: the caller looks at the sockets and shuts them down. Each
// connection is a ConnMachine, as in our own server. Pure; `now` is an argument. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "shared/core/time.hpp"
#include "worker/core/connection_state.hpp"
#include "worker/core/idle_spread.hpp"
#include "worker/core/timer_wheel.hpp"

namespace holdfast::worker {

class ConnectionBook {
 public:
  // Owned by the caller, in the book from enter() to leave().
  struct Entry : Timer {
    ConnMachine machine;
    Entry* prev = nullptr;
    Entry* next = nullptr;
  };
  struct Counts {
    std::size_t connections = 0;
    std::size_t active = 0;  // a request in flight
    std::uint64_t requests = 0;
    std::uint64_t closed_idle = 0;  // asked to leave between requests, or before the first
    std::uint64_t cut = 0;
    bool operator==(const Counts&) const = default;
  };

  void enter(Entry& entry, TimePoint now);
  void leave(Entry& entry);
  void request_began(Entry& entry, TimePoint now) { feed(entry, ConnEvent::BytesArrived, now); }
  void response_done(Entry& entry, TimePoint now) { feed(entry, ConnEvent::ResponseReusable, now); }

  // The ends of idle connections are spread over at most `idle_spread`. A second call only shortens
  // what is left.
  void begin_drain(Millis new_grace, Millis idle_grace, Millis idle_spread, TimePoint now);
  bool draining() const { return draining_; }

  // Asks `quiet(entry)` about each connection whose grace is over, and calls `dismiss(entry)` for
  // those that are. One that is not quiet counts as one with a request in flight from now on.
  template <typename Quiet, typename Dismiss>
  void sweep(TimePoint now, Quiet&& quiet, Dismiss&& dismiss) {
    wheel_.advance(now, [&](Timer& timer) {
      auto& entry = static_cast<Entry&>(timer);
      if (feed(entry, ConnEvent::TimedOut, now) != ConnEffect::Probe) return;
      const ConnEvent answer = quiet(entry) ? ConnEvent::Quiet : ConnEvent::BytesArrived;
      if (feed(entry, answer, now) == ConnEffect::HalfClose) dismiss(entry);
    });
  }

  // The deadline: `end(entry)` for each that is left. Those that are not quiet have a request in
  // flight.
  template <typename Quiet, typename End>
  void cut_all(TimePoint now, Quiet&& quiet, End&& end) {
    for (Entry* entry = first_; entry != nullptr; entry = entry->next) {
      ConnState state = entry->machine.state;
      if (state == ConnState::Closed) continue;
      if ((state == ConnState::New || state == ConnState::Idle) && !quiet(*entry)) {
        feed(*entry, ConnEvent::BytesArrived, now);
        state = ConnState::Active;
      }
      feed(*entry, ConnEvent::DrainExpired, now);
      if (state == ConnState::Active) ++counts_.cut;
      if (state == ConnState::New || state == ConnState::Idle) ++counts_.closed_idle;
      end(*entry);
    }
  }

  const Counts& counts() const { return counts_; }
  // When sweep() should be called next; it may be too early, never too late.
  std::optional<TimePoint> next_sweep() const { return wheel_.next_wake(); }

 private:
  ConnEffect feed(Entry& entry, ConnEvent event, TimePoint now);
  void start_grace(Entry& entry, TimePoint now);

  TimerWheel wheel_;
  Entry* first_ = nullptr;
  Counts counts_;
  Millis new_grace_{0};
  Millis idle_grace_{0};
  IdleSpread idle_spread_;
  bool draining_ = false;
};

}  // namespace holdfast::worker
