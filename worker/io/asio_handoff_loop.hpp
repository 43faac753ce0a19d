// The handoff's loop for Server: its io_context and its clock.
#pragma once

#include "worker/io/handoff_loop.hpp"
#include "worker/io/loop_clock.hpp"

namespace holdfast::worker {

class AsioHandoffLoop final : public HandoffLoop {
 public:
  AsioHandoffLoop(boost::asio::io_context& io, LoopClock& clock);

  TimePoint now() const override { return clock_.now(); }
  void post(std::function<void()> call) override;
  std::unique_ptr<Watch> watch(int fd, std::function<void()> readable) override;
  void call_at(std::optional<TimePoint> at, std::function<void()> call) override;

 private:
  boost::asio::io_context& io_;
  LoopClock& clock_;
  std::function<void()> call_;
  LoopTimer timer_;
};

}  // namespace holdfast::worker
