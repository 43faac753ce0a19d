#include "worker/io/server_status.hpp"

#include <utility>

#include "worker/io/manual_time.hpp"

namespace holdfast::worker {

void ServerStatus::begin() {
  const std::lock_guard lock(mutex_);
  begun_ = true;
}

void ServerStatus::on_thread() {
  const std::lock_guard lock(mutex_);
  thread_ = std::this_thread::get_id();
}

void ServerStatus::end_accepting(std::optional<Failure> failure) {
  const std::lock_guard lock(mutex_);
  if (std::exchange(accepting_ended_, true)) return;
  accept_failure_ = std::move(failure);
  changed_.notify_all();
}

void ServerStatus::end(StopResult result) {
  end_accepting(std::nullopt);
  const std::lock_guard lock(mutex_);
  if (!result_) result_ = std::move(result);
  changed_.notify_all();
}

bool ServerStatus::begun() const {
  const std::lock_guard lock(mutex_);
  return begun_;
}

bool ServerStatus::is_server_thread() const {
  const std::lock_guard lock(mutex_);
  return thread_ == std::this_thread::get_id();
}

std::optional<Failure> ServerStatus::wait_accepting() const {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !begun_ || accepting_ended_; });
  return accept_failure_;
}

TimePoint ServerStatus::now() const { return clock_ == nullptr ? Clock::now() : clock_->now(); }

std::optional<StopResult> ServerStatus::wait_end(Millis timeout) const {
  const TimePoint deadline = now() + timeout;
  std::unique_lock lock(mutex_);
  if (clock_ == nullptr) {
    changed_.wait_until(lock, deadline, [this] { return result_.has_value(); });
    return result_;
  }
  ManualTime& time = *clock_->time_;
  lock.unlock();
  const auto waiter = time.add_waiter([this] {
    const std::lock_guard moved(mutex_);
    changed_.notify_all();
  });
  lock.lock();
  changed_.wait(lock, [&] { return result_.has_value() || now() >= deadline; });
  lock.unlock();
  time.remove_waiter(waiter);
  lock.lock();
  return result_;
}

}  // namespace holdfast::worker
