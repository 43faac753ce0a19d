#include "worker/core/connection_book.hpp"

#include <algorithm>

namespace holdfast::worker {

void ConnectionBook::enter(Entry& entry, TimePoint now) {
  entry.next = first_;
  if (first_ != nullptr) first_->prev = &entry;
  first_ = &entry;
  ++counts_.connections;
  // It was in the queue when the drain began, or came after it: it is owed its request all the
  // same.
  if (draining_) feed(entry, ConnEvent::DrainBegan, now);
}

void ConnectionBook::leave(Entry& entry) {
  wheel_.cancel(entry);
  (entry.prev != nullptr ? entry.prev->next : first_) = entry.next;
  if (entry.next != nullptr) entry.next->prev = entry.prev;
  entry.prev = entry.next = nullptr;
  if (entry.machine.state == ConnState::Active) --counts_.active;
  entry.machine.state = ConnState::Closed;
  --counts_.connections;
}

void ConnectionBook::begin_drain(Millis new_grace, Millis idle_grace, Millis idle_spread,
                                 TimePoint now) {
  new_grace_ = draining_ ? std::min(new_grace_, new_grace) : new_grace;
  idle_grace_ = draining_ ? std::min(idle_grace_, idle_grace) : idle_grace;
  draining_ = true;
  idle_spread_ = IdleSpread(idle_spread, counts_.connections - counts_.active);
  for (Entry* entry = first_; entry != nullptr; entry = entry->next) {
    if (entry->machine.draining) {
      start_grace(*entry, now);
    } else {
      feed(*entry, ConnEvent::DrainBegan, now);
    }
  }
}

ConnEffect ConnectionBook::feed(Entry& entry, ConnEvent event, TimePoint now) {
  const ConnState before = entry.machine.state;
  const auto [next, effect] = step(entry.machine, event);
  counts_.requests += next.requests - entry.machine.requests;
  entry.machine = next;
  if (next.state != before) {
    wheel_.cancel(entry);
    if (next.state == ConnState::Active) ++counts_.active;
    if (before == ConnState::Active) --counts_.active;
  }
  if (effect == ConnEffect::StartGrace) start_grace(entry, now);
  if (effect == ConnEffect::HalfClose) ++counts_.closed_idle;
  return effect;
}

// One that already waits never waits longer for being told again.
void ConnectionBook::start_grace(Entry& entry, TimePoint now) {
  const ConnState state = entry.machine.state;
  if (state != ConnState::New && state != ConnState::Idle) return;
  const TimePoint over =
      now + (state == ConnState::New ? new_grace_ : idle_grace_ + idle_spread_.next());
  wheel_.schedule(entry, entry.scheduled() ? std::min(entry.deadline(), over) : over);
}

}  // namespace holdfast::worker
