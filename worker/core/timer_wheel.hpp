// Deadlines of many connections in one place: a hashed wheel of 512 slots of about 8 ms, where a
// far deadline waits in its slot for its round. Never early; late by less than a slot plus the
// caller's own delay. Moving a deadline later is one store: the timer stays where it is and is put
// in its place when its old slot comes up, because every request moves its connection's. Reads no
// clock.
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
  void make_ring() noexcept { prev_ = next_ = this; }

  Timer* prev_ = nullptr;
  Timer* next_ = nullptr;
  TimePoint deadline_{};
  std::int64_t tick_ =
      0;  // of the slot it is linked in; not after the deadline's unless that passed
};
static_assert(sizeof(Timer) <= 32);

class TimerWheel {
 public:
  static constexpr std::size_t kSlots = 512;
  // Slots are 2^n ns wide, because every request finds its slot by a shift.
  static constexpr int kCoarse = 23;  // 8.4 ms
  static constexpr int kExact = 6;    // 64 ns divide a millisecond, so tests see no rounding

  explicit TimerWheel(int slot_bits = kCoarse);
  TimerWheel(const TimerWheel&) = delete;
  TimerWheel& operator=(const TimerWheel&) = delete;
  ~TimerWheel();  // cancels every timer

  // A timer that is already scheduled moves. TimePoint::max() is allowed and never comes.
  void schedule(Timer& timer, TimePoint deadline) noexcept;
  void cancel(Timer& timer) noexcept { timer.unlink(); }

  // Calls back once for each timer whose deadline has passed, in no particular order; it is no
  // longer scheduled then. The callback may schedule, cancel or destroy any timer, this one too; it
  // must not throw. What it schedules comes in a later advance(). A `now` before an earlier one
  // does nothing.
  template <typename Callback>
  void advance(TimePoint now, Callback&& callback) {
    if (!begin_advance(now)) return;
    while (Timer* due = next_due()) callback(*due);
  }

  // When advance() should be called next; nothing if no timer is scheduled. It may be too early
  // (a timer was cancelled or moved later), never too late.
  std::optional<TimePoint> next_wake() const noexcept;

 private:
  std::int64_t floor_tick(TimePoint time) const noexcept;
  std::int64_t tick_of(TimePoint deadline) const noexcept;
  bool begin_advance(TimePoint now) noexcept;
  Timer* next_due() noexcept;
  void place(Timer& timer, std::int64_t tick) noexcept;
  void open_slot(std::size_t slot) noexcept;

  const int bits_;
  std::array<Timer, kSlots> rings_;               // heads of rings; their deadlines mean nothing
  std::array<std::int64_t, kSlots> earliest_in_;  // no timer in the slot has a tick before it
  std::int64_t earliest_;                         // the least of them
  Timer opened_;                                  // the ring of the slot that is being emptied
  std::int64_t done_ = 0;                         // ticks up to here are over
  std::int64_t cursor_ = 0;                       // while advancing: the next tick to look at
};

}  // namespace holdfast::worker
