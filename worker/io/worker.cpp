#include "holdfast/worker/worker.hpp"

#include <cerrno>
#include <sys/socket.h>
#include <utility>

#include "worker/io/worker_impl.hpp"

namespace holdfast::worker {

Worker::Worker(WorkerSettings settings) : impl_(std::make_unique<Impl>(std::move(settings))) {}
Worker::~Worker() = default;

const std::vector<WorkerListener>& Worker::listeners() const { return impl_->listeners; }
bool Worker::supervised() const { return impl_->supervised; }
std::uint64_t Worker::generation() const { return impl_->identity.generation; }
std::uint64_t Worker::worker() const { return impl_->identity.worker; }

void Worker::on_accept(std::function<void()> callback) { impl_->accept = std::move(callback); }
void Worker::on_pause(std::function<void()> callback) { impl_->pause = std::move(callback); }
void Worker::on_close_listeners(std::function<void(bool)> callback) {
  impl_->close = std::move(callback);
}
void Worker::on_lame_duck(std::function<void()> callback) {
  impl_->lame_duck = std::move(callback);
}
void Worker::on_drain(
    std::function<void(std::string_view, std::chrono::steady_clock::time_point)> callback) {
  impl_->drain = std::move(callback);
}
void Worker::on_connection(std::function<void(TakenConnection)> callback) {
  impl_->on_connection(std::move(callback));
}
void Worker::on_cut(std::function<void()> callback) { impl_->cut = std::move(callback); }

void Worker::ready() { impl_->link().post(Prepared{}); }
void Worker::drain() { impl_->link().post(TermReceived{}); }
void Worker::drained(DrainCounts counts) { impl_->drained(counts); }
ConnectionTracker& Worker::connections() { return impl_->tracker(); }
void Worker::answered(int status) { impl_->answered(status); }
void Worker::log(const AccessEntry& entry) { impl_->log(entry); }
bool Worker::logs() const { return impl_->logs(); }
int Worker::fd() const { return impl_->link().fd(); }
bool Worker::dispatch() { return impl_->link().dispatch(); }
void Worker::start_thread() { impl_->start_thread(); }
int Worker::wait() { return impl_->wait(); }

int Worker::accept(int listener, bool nonblocking) {
  for (;;) {
    const int fd =
        ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0));
    if (fd >= 0) return fd;
    switch (errno) {
      // This one is gone already (accept(2), "Error handling"); the next may be fine.
      case EINTR:
      case ECONNABORTED:
      case ENETDOWN:
      case EPROTO:
      case ENOPROTOOPT:
      case EHOSTDOWN:
      case ENONET:
      case EHOSTUNREACH:
      case EOPNOTSUPP:
      case ENETUNREACH:
      case EPERM:
        continue;
      case EINVAL:  // somebody shut the shared listener down
        errno = EAGAIN;
        return -1;
      default:
        return -1;
    }
  }
}

}  // namespace holdfast::worker
