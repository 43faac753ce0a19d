// What is behind a ManualClock: the time, and who follows it. A loop is asked to act and says when
// it has; a waiter is only told that time has moved. Any thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>

#include "shared/core/time.hpp"

namespace holdfast::worker {

class ManualTime {
 public:
  // One server's loop.
  class Loop {
   public:
    virtual ~Loop() = default;
    // Makes the loop act until it is quiet and call acted(*this, turn). Called with the lock held.
    virtual void ask(std::uint64_t turn) = 0;
    virtual bool on_its_thread() const = 0;

   private:
    friend class ManualTime;
    std::optional<TimePoint> earliest_;
    std::size_t armed_ = 0;
    std::uint64_t asked_ = 0;
    std::uint64_t acted_ = 0;
  };

  explicit ManualTime(Millis patience) : patience_(patience) {}

  TimePoint now() const noexcept { return TimePoint(TimePoint::duration(now_.load())); }
  bool advance(TimePoint::duration by);
  bool settle();
  std::size_t timers() const;
  bool wait_for_timers(std::size_t count);

  void attach(Loop& loop);
  void detach(Loop& loop);  // nobody waits for it any more
  void armed(Loop& loop, std::size_t timers, std::optional<TimePoint> earliest);
  void acted(Loop& loop, std::uint64_t turn);

  // Calls `told` after each move of time, until it is removed. It must not call back.
  using Waiter = std::list<std::function<void()>>::iterator;
  Waiter add_waiter(std::function<void()> told);
  void remove_waiter(Waiter waiter);

 private:
  using Lock = std::unique_lock<std::mutex>;
  bool settle(Lock& lock);
  void move_to(Lock& lock, TimePoint time);
  std::optional<TimePoint> earliest() const;
  std::size_t count() const;

  const Millis patience_;
  std::mutex one_at_a_time_;  // of advance()
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  // Far from zero, as no machine is: a deadline before the start of time is never meant.
  std::atomic<TimePoint::rep> now_{TimePoint::duration(std::chrono::hours(1)).count()};
  std::list<Loop*> loops_;
  std::mutex waiters_mutex_;
  std::list<std::function<void()>> waiters_;
  std::uint64_t turn_ = 0;
};

}  // namespace holdfast::worker
