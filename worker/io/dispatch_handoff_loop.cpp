#include "worker/io/dispatch_handoff_loop.hpp"

#include <utility>

namespace holdfast::worker {

struct DispatchHandoffLoop::Watched {
  int fd;
  std::function<void()> readable;
  bool open = true;
};

class DispatchHandoffLoop::Ended final : public Watch {
 public:
  Ended(DispatchHandoffLoop& loop, std::shared_ptr<Watched> watched)
      : loop_(loop), watched_(std::move(watched)) {}
  ~Ended() override {
    watched_->open = false;
    loop_.link_.unwatch_also(watched_->fd);
    std::erase(loop_.watched_, watched_);
  }

 private:
  DispatchHandoffLoop& loop_;
  std::shared_ptr<Watched> watched_;
};

void DispatchHandoffLoop::post(std::function<void()> call) {
  posted_.push_back(std::move(call));
  link_.wake();
}

std::unique_ptr<HandoffLoop::Watch> DispatchHandoffLoop::watch(int fd,
                                                               std::function<void()> readable) {
  auto watched = std::make_shared<Watched>(Watched{fd, std::move(readable)});
  watched_.push_back(watched);
  link_.watch_also(fd);
  return std::make_unique<Ended>(*this, std::move(watched));
}

void DispatchHandoffLoop::call_at(std::optional<TimePoint> at, std::function<void()> call) {
  at_ = at;
  call_ = std::move(call);
}

void DispatchHandoffLoop::run() {
  for (const auto& call : std::exchange(posted_, {})) call();
  // There are few, and a read that finds nothing is cheap. A copy, because calls end watches.
  for (const auto& each : std::vector(watched_)) {
    if (each->open) each->readable();
  }
  if (!at_ || Clock::now() < *at_) return;
  at_.reset();
  std::exchange(call_, nullptr)();
}

}  // namespace holdfast::worker
