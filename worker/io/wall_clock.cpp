#include "worker/io/wall_clock.hpp"

#include "worker/core/response_head.hpp"

namespace holdfast::worker {
namespace {

std::chrono::microseconds since_boot(TimePoint now) {
  return std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch());
}

}  // namespace

WallTime WallClock::at(TimePoint now) {
  if (now - read_at_ >= kFollow || read_at_ == TimePoint{}) {
    read_at_ = now;
    const auto wall =
        std::chrono::floor<std::chrono::microseconds>(std::chrono::system_clock::now());
    offset_ =
        wall.time_since_epoch() - since_boot(clock_ != nullptr ? clock_->now() : Clock::now());
  }
  return WallTime(since_boot(now) + offset_);
}

std::string_view WallClock::http_date(TimePoint now) {
  const auto second = std::chrono::floor<std::chrono::seconds>(at(now));
  if (second != date_second_) {
    date_second_ = second;
    date_.clear();
    append_http_date(date_, second);
  }
  return date_;
}

}  // namespace holdfast::worker
