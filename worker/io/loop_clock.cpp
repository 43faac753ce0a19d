#include "worker/io/loop_clock.hpp"

#include <algorithm>

#include <boost/asio/post.hpp>

#include "holdfast/worker/clock.hpp"

namespace holdfast::worker {
namespace {

// A loop that clients keep busy never goes quiet; after so many rounds it has acted all the same.
constexpr int kRounds = 10'000;

}  // namespace

LoopClock::LoopClock(boost::asio::io_context& io, const ManualClock* manual)
    : io_(io), manual_(manual == nullptr ? nullptr : manual->time_.get()) {}

void LoopClock::attach() {
  if (manual_ == nullptr || attached_) return;
  attached_ = true;
  manual_->attach(*this);
}

void LoopClock::detach() {
  if (!attached_) return;
  attached_ = false;
  manual_->detach(*this);
}

bool LoopClock::on_its_thread() const { return io_.get_executor().running_in_this_thread(); }

void LoopClock::ask(std::uint64_t turn) {
  boost::asio::post(io_, [this, turn] {
    act();
    manual_->acted(*this, turn);
  });
}

// Asio allows a poll inside a handler, and this one is called by the io_context itself: no code of
// ours is entered twice.
void LoopClock::act() {
  for (int i = 0; i < kRounds; ++i) {
    if (io_.poll_one() == 0 && !fire_next()) return;
  }
}

bool LoopClock::fire_next() {
  const auto next =
      std::min_element(armed_.begin(), armed_.end(),
                       [](const LoopTimer* a, const LoopTimer* b) { return a->at_ < b->at_; });
  if (next == armed_.end() || (*next)->at_ > now() || io_.stopped()) return false;
  LoopTimer& due = **next;
  due.cancel();
  due.fire_();
  return true;
}

void LoopClock::add(LoopTimer& timer) {
  if (std::find(armed_.begin(), armed_.end(), &timer) == armed_.end()) armed_.push_back(&timer);
  publish();
}

void LoopClock::remove(LoopTimer& timer) {
  std::erase(armed_, &timer);
  publish();
}

void LoopClock::publish() {
  std::optional<TimePoint> earliest;
  for (const LoopTimer* timer : armed_) {
    if (!earliest || timer->at_ < *earliest) earliest = timer->at_;
  }
  manual_->armed(*this, armed_.size(), earliest);
}

void LoopTimer::start(TimePoint at) {
  at_ = at;
  armed_ = true;
  if (clock_.is_manual()) return clock_.add(*this);
  timer_.expires_at(at);
  timer_.async_wait([this](boost::system::error_code failed) {
    // A wait that had ended before it could be cancelled is told by its time.
    if (failed || !armed_ || clock_.now() < at_) return;
    armed_ = false;
    fire_();
  });
}

void LoopTimer::cancel() {
  if (!armed_) return;
  armed_ = false;
  if (clock_.is_manual()) return clock_.remove(*this);
  timer_.cancel();
}

}  // namespace holdfast::worker
