// The time of one server: the machine's, or a ManualClock's. A LoopTimer calls back on the thread
// of the io_context when that time has come. One thread, but for now().
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "worker/io/manual_time.hpp"

namespace holdfast::worker {

class LoopTimer;
class ManualClock;

class LoopClock final : private ManualTime::Loop {
 public:
  // `manual` may be null, and then this costs a branch.
  LoopClock(boost::asio::io_context& io, const ManualClock* manual);
  ~LoopClock() override { detach(); }
  LoopClock(const LoopClock&) = delete;
  LoopClock& operator=(const LoopClock&) = delete;

  TimePoint now() const noexcept {
    if (manual_ == nullptr) [[likely]]
      return Clock::now();
    return manual_->now();
  }
  bool is_manual() const { return manual_ != nullptr; }
  ManualTime* manual() const { return manual_; }

  // From before the io_context runs until it does no more: advance() waits for this loop.
  void attach();
  void detach();

 private:
  friend class LoopTimer;
  void add(LoopTimer& timer);
  void remove(LoopTimer& timer);
  void publish();
  bool fire_next();
  void act();
  void ask(std::uint64_t turn) override;
  bool on_its_thread() const override;

  boost::asio::io_context& io_;
  ManualTime* const manual_;
  bool attached_ = false;
  std::vector<LoopTimer*> armed_;  // by the manual clock only
};

class LoopTimer {
 public:
  LoopTimer(boost::asio::io_context& io, LoopClock& clock, std::function<void()> fire)
      : clock_(clock), timer_(io), fire_(std::move(fire)) {}
  ~LoopTimer() { cancel(); }
  LoopTimer(const LoopTimer&) = delete;
  LoopTimer& operator=(const LoopTimer&) = delete;

  void start(TimePoint at);  // instead of an earlier start
  void start_after(Millis delay) { start(clock_.now() + delay); }
  void cancel();
  bool armed() const { return armed_; }
  TimePoint deadline() const { return at_; }  // REQUIRES: armed()

 private:
  friend class LoopClock;
  LoopClock& clock_;
  boost::asio::steady_timer timer_;
  std::function<void()> fire_;
  TimePoint at_{};
  bool armed_ = false;
};

}  // namespace holdfast::worker
