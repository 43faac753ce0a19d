#include "worker/core/timer_wheel.hpp"

#include <algorithm>
#include <limits>
#include <ratio>
#include <type_traits>

namespace holdfast::worker {
namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kTicks = TimerWheel::kSlots;
static_assert(std::is_same_v<TimePoint::period, std::nano>);

std::size_t slot_of(std::int64_t tick) { return static_cast<std::size_t>(tick % kTicks); }

}  // namespace

void Timer::unlink() noexcept {
  if (next_ == nullptr) return;
  prev_->next_ = next_;
  next_->prev_ = prev_;
  prev_ = next_ = nullptr;
}

void Timer::link_before(Timer& other) noexcept {
  prev_ = other.prev_;
  next_ = &other;
  prev_->next_ = this;
  other.prev_ = this;
}

std::int64_t TimerWheel::floor_tick(TimePoint time) const noexcept {
  return std::max<std::int64_t>(time.time_since_epoch().count(), 0) >> bits_;
}

// The first tick at which the deadline has passed.
std::int64_t TimerWheel::tick_of(TimePoint deadline) const noexcept {
  const std::int64_t tick = floor_tick(deadline);
  return tick + (deadline.time_since_epoch().count() > (tick << bits_) ? 1 : 0);
}

TimerWheel::TimerWheel(int slot_bits) : bits_(slot_bits), earliest_(kNever) {
  for (Timer& ring : rings_) ring.make_ring();
  earliest_in_.fill(kNever);
  opened_.make_ring();
}

TimerWheel::~TimerWheel() {
  for (Timer& ring : rings_) {
    while (ring.next_ != &ring) ring.next_->unlink();
  }
  while (opened_.next_ != &opened_) opened_.next_->unlink();
}

void TimerWheel::schedule(Timer& timer, TimePoint deadline) noexcept {
  timer.deadline_ = deadline;
  const std::int64_t tick = tick_of(deadline);
  // It may stay in a slot that comes up sooner; there its deadline is looked at again.
  if (timer.scheduled() && timer.tick_ <= tick) return;
  timer.unlink();
  place(timer, tick);
}

void TimerWheel::place(Timer& timer, std::int64_t tick) noexcept {
  timer.tick_ = std::max(tick, done_ + 1);
  const std::size_t slot = slot_of(timer.tick_);
  timer.link_before(rings_[slot]);
  earliest_in_[slot] = std::min(earliest_in_[slot], timer.tick_);
  earliest_ = std::min(earliest_, timer.tick_);
}

bool TimerWheel::begin_advance(TimePoint now) noexcept {
  const std::int64_t tick = floor_tick(now);
  if (tick <= done_) return false;
  // One visit a slot is enough, however long nobody called.
  cursor_ = std::max({earliest_, done_ + 1, tick - kTicks + 1});
  done_ = tick;
  return cursor_ <= done_;
}

Timer* TimerWheel::next_due() noexcept {
  for (;;) {
    while (opened_.next_ != &opened_) {
      Timer& timer = *opened_.next_;
      timer.unlink();
      const std::int64_t tick = tick_of(timer.deadline_);
      if (tick <= done_) return &timer;
      place(timer, tick);
    }
    while (cursor_ <= done_ && earliest_in_[slot_of(cursor_)] > done_) ++cursor_;
    if (cursor_ > done_) break;
    open_slot(slot_of(cursor_++));
  }
  earliest_ = *std::min_element(earliest_in_.begin(), earliest_in_.end());
  return nullptr;
}

void TimerWheel::open_slot(std::size_t slot) noexcept {
  Timer& ring = rings_[slot];
  earliest_in_[slot] = kNever;
  if (ring.next_ == &ring) return;
  opened_.link_before(ring);
  ring.unlink();
  ring.make_ring();
}

std::optional<TimePoint> TimerWheel::next_wake() const noexcept {
  if (earliest_ == kNever) return std::nullopt;
  if (earliest_ > floor_tick(TimePoint::max())) return TimePoint::max();
  return TimePoint(TimePoint::duration(earliest_ << bits_));
}

}  // namespace holdfast::worker
