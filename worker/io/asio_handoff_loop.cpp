#include "worker/io/asio_handoff_loop.hpp"

#include <utility>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

namespace holdfast::worker {
namespace {

// Shared with the pending wait, because a call may end its watch.
struct Waiting : std::enable_shared_from_this<Waiting> {
  Waiting(boost::asio::io_context& io, int fd, std::function<void()> call)
      : descriptor(io, fd), readable(std::move(call)) {}
  ~Waiting() { stop(); }

  void stop() {
    // Out of the reactor's epoll set; the descriptor is somebody else's.
    if (std::exchange(open, false)) descriptor.release();
  }

  void wait() {
    descriptor.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                          [self = shared_from_this()](boost::system::error_code failed) {
                            if (failed || !self->open) return;
                            self->readable();
                            if (self->open) self->wait();
                          });
  }

  boost::asio::posix::stream_descriptor descriptor;
  std::function<void()> readable;
  bool open = true;
};

class AsioWatch final : public HandoffLoop::Watch {
 public:
  explicit AsioWatch(std::shared_ptr<Waiting> waiting) : waiting_(std::move(waiting)) {}
  ~AsioWatch() override { waiting_->stop(); }

 private:
  std::shared_ptr<Waiting> waiting_;
};

}  // namespace

AsioHandoffLoop::AsioHandoffLoop(boost::asio::io_context& io, LoopClock& clock)
    : io_(io), clock_(clock), timer_(io, clock, [this] { std::exchange(call_, nullptr)(); }) {}

void AsioHandoffLoop::post(std::function<void()> call) { boost::asio::post(io_, std::move(call)); }

std::unique_ptr<HandoffLoop::Watch> AsioHandoffLoop::watch(int fd, std::function<void()> readable) {
  auto waiting = std::make_shared<Waiting>(io_, fd, std::move(readable));
  waiting->wait();
  return std::make_unique<AsioWatch>(std::move(waiting));
}

void AsioHandoffLoop::call_at(std::optional<TimePoint> at, std::function<void()> call) {
  call_ = std::move(call);
  if (at) return timer_.start(*at);
  timer_.cancel();
}

}  // namespace holdfast::worker
