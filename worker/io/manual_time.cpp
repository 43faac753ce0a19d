#include "worker/io/manual_time.hpp"

#include <algorithm>

#include "holdfast/worker/clock.hpp"

namespace holdfast::worker {

bool ManualTime::settle(Lock& lock) {
  const std::uint64_t turn = ++turn_;
  for (Loop* loop : loops_) {
    loop->asked_ = turn;
    loop->ask(turn);
  }
  return changed_.wait_for(lock, patience_, [this] {
    return std::all_of(loops_.begin(), loops_.end(), [](const Loop* loop) {
      return loop->acted_ >= loop->asked_ || loop->on_its_thread();
    });
  });
}

bool ManualTime::settle() {
  Lock lock(mutex_);
  return settle(lock);
}

bool ManualTime::advance(TimePoint::duration by) {
  const std::lock_guard alone(one_at_a_time_);
  Lock lock(mutex_);
  const TimePoint end = now() + by;
  bool all_acted = settle(lock);
  while (all_acted) {
    const auto next = earliest();
    // A timer in the past is that of a loop which advances from its own thread: it comes later.
    if (!next || *next > end || *next < now()) break;
    move_to(lock, *next);
    all_acted = settle(lock);
    if (earliest() == next) break;
  }
  move_to(lock, end);
  return settle(lock) && all_acted;
}

void ManualTime::move_to(Lock& lock, TimePoint time) {
  now_ = time.time_since_epoch().count();
  lock.unlock();
  {
    const std::lock_guard waiting(waiters_mutex_);
    for (const auto& told : waiters_) told();
  }
  lock.lock();
}

std::optional<TimePoint> ManualTime::earliest() const {
  std::optional<TimePoint> first;
  for (const Loop* loop : loops_) {
    if (loop->earliest_ && (!first || *loop->earliest_ < *first)) first = loop->earliest_;
  }
  return first;
}

std::size_t ManualTime::count() const {
  std::size_t all = 0;
  for (const Loop* loop : loops_) all += loop->armed_;
  return all;
}

std::size_t ManualTime::timers() const {
  const Lock lock(mutex_);
  return count();
}

bool ManualTime::wait_for_timers(std::size_t wanted) {
  Lock lock(mutex_);
  return changed_.wait_for(lock, patience_, [&] { return count() >= wanted; });
}

void ManualTime::attach(Loop& loop) {
  const Lock lock(mutex_);
  loops_.push_back(&loop);
}

void ManualTime::detach(Loop& loop) {
  const Lock lock(mutex_);
  loops_.remove(&loop);
  changed_.notify_all();
}

void ManualTime::armed(Loop& loop, std::size_t timers, std::optional<TimePoint> earliest) {
  const Lock lock(mutex_);
  loop.armed_ = timers;
  loop.earliest_ = earliest;
  changed_.notify_all();
}

void ManualTime::acted(Loop& loop, std::uint64_t turn) {
  const Lock lock(mutex_);
  loop.acted_ = std::max(loop.acted_, turn);
  changed_.notify_all();
}

ManualTime::Waiter ManualTime::add_waiter(std::function<void()> told) {
  const std::lock_guard lock(waiters_mutex_);
  return waiters_.insert(waiters_.end(), std::move(told));
}

void ManualTime::remove_waiter(Waiter waiter) {
  const std::lock_guard lock(waiters_mutex_);
  waiters_.erase(waiter);
}

// ManualClock
// --------------------------------------------------------------------------------------------------------

ManualClock::ManualClock(std::chrono::milliseconds patience)
    : time_(std::make_unique<ManualTime>(patience)) {}
ManualClock::~ManualClock() = default;
ManualClock::TimePoint ManualClock::now() const noexcept { return time_->now(); }
bool ManualClock::advance(Duration by) { return time_->advance(by); }
bool ManualClock::settle() { return time_->settle(); }
std::size_t ManualClock::timers() const { return time_->timers(); }
bool ManualClock::wait_for_timers(std::size_t count) { return time_->wait_for_timers(count); }

}  // namespace holdfast::worker
