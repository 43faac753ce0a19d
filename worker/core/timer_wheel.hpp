// Deadlines of many connections in one place: a hashed wheel of 512 slots of 8 ms, where a far
// deadline waits in its slot for its round. Never early; late by less than a slot plus the caller's
// own delay. Moving a deadline later is one store: the timer stays where it is and is put in its
// place when its old slot comes up, because every request moves its connection's. Reads no clock.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "shared/core/time.hpp"

namespace holdfast::worker {

// Lives inside what it times; stays where it is while scheduled. Its end cancels it.
class Timer {
 public:
  Timer() noexcept = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  ~Timer() { unlink(); }

  bool scheduled() const noexcept { return next_ != nullptr; }
  TimePoint deadline() const noexcept { return deadline_; }  // REQUIRES: scheduled()

 private:
  friend class TimerWheel;
  void unlink() noexcept;
  void link_before(Timer& other) noexcept;

  Timer* prev_ = nullptr;
  Timer* next_ = nullptr;
  TimePoint deadline_{};
  std::int64_t tick_ = 0;  // of the slot it is linked in; never after the deadline's
};
static_assert(sizeof(Timer) <= 32);

class TimerWheel {
 public:
  static constexpr Millis kSlotWidth{8};
  static constexpr std::size_t kSlots = 512;

  TimerWheel();

  // A timer that is already scheduled moves. TimePoint::max() is allowed and never comes.
  void schedule(Timer& timer, TimePoint deadline) noexcept;
  void cancel(Timer& timer) noexcept { timer.unlink(); }

  // Calls back once for each timer whose deadline has passed, a whole slot at a time; it is no
  // longer scheduled then. The callback may schedule, cancel or destroy any timer, this one too. A
  // `now` before an earlier one does nothing.
  template <typename Callback>
  void advance(TimePoint now, Callback&& callback) {
    if (!begin_advance(now)) return;
    while (Timer* due = next_due()) callback(*due);
  }

  // When advance() should be called next; nothing if no timer is scheduled. It may be too early
  // (a timer was cancelled or moved later), never too late.
  std::optional<TimePoint> next_wake();

 private:
  struct Slot {
    Timer head;             // of a ring; its own deadline means nothing
    std::int64_t earliest;  // no timer in the slot has a tick before it
  };

  bool begin_advance(TimePoint now) noexcept;
  Timer* next_due() noexcept;
  void place(Timer& timer) noexcept;
  bool open_next_slot() noexcept;

  std::array<Slot, kSlots> slots_;
  Timer opened_;             // the ring of the slot that is being advanced over
  std::int64_t now_ = 0;     // ticks up to here are done
  std::int64_t cursor_ = 0;  // while advancing: the tick whose slot is opened next
  std::int64_t earliest_;    // no timer at all has a tick before it
};

}  // namespace holdfast::worker
