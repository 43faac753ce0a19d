// The handoff's loop for Worker: the service's own, which calls WorkerLink::dispatch().
#pragma once

#include <vector>

#include "worker/io/handoff_loop.hpp"
#include "worker/io/worker_link.hpp"

namespace holdfast::worker {

class DispatchHandoffLoop final : public HandoffLoop {
 public:
  explicit DispatchHandoffLoop(WorkerLink& link) : link_(link) {}

  TimePoint now() const override { return Clock::now(); }
  void post(std::function<void()> call) override;
  std::unique_ptr<Watch> watch(int fd, std::function<void()> readable) override;
  void call_at(std::optional<TimePoint> at, std::function<void()> call) override;

  void run();  // in each dispatch(): whatever there is to do
  std::optional<TimePoint> wake_at() const { return at_; }

 private:
  struct Watched;
  class Ended;

  WorkerLink& link_;
  std::vector<std::shared_ptr<Watched>> watched_;
  std::vector<std::function<void()>> posted_;
  std::optional<TimePoint> at_;
  std::function<void()> call_;
};

}  // namespace holdfast::worker
