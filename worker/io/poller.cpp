#include "worker/io/poller.hpp"

#include <array>
#include <cerrno>
#include <sys/epoll.h>

namespace holdfast::worker {
namespace {

constexpr int kBatch = 128;

UniqueFd create_set() {
  const int fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (fd < 0)
    throw_exception_from_error(errno_error("create an epoll set", errno), BOOST_CURRENT_LOCATION);
  return UniqueFd(fd);
}

}  // namespace

Poller::Poller(boost::asio::io_context& io, std::function<void()> after_batch)
    : set_(create_set()), watch_(io), after_batch_(std::move(after_batch)) {}

void Poller::start() {
  if (!watch_.is_open()) watch_.assign(set_.get());
  running_ = true;
  wait();
}

void Poller::stop() {
  running_ = false;
  if (watch_.is_open()) watch_.release();
}

Result<void> Poller::add(int fd, std::uint32_t events, Pollable& target) {
  epoll_event entry{events, {.ptr = &target}};
  if (::epoll_ctl(set_.get(), EPOLL_CTL_ADD, fd, &entry) != 0)
    return errno_error("watch a descriptor", errno);
  return {};
}

void Poller::modify(int fd, std::uint32_t events, Pollable& target) {
  epoll_event entry{events, {.ptr = &target}};
  ::epoll_ctl(set_.get(), EPOLL_CTL_MOD, fd, &entry);
}

void Poller::remove(int fd) { ::epoll_ctl(set_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void Poller::wait() {
  watch_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this](boost::system::error_code failed) {
                      if (failed || !running_) return;
                      dispatch();
                    });
}

void Poller::dispatch() {
  std::array<epoll_event, kBatch> events;
  const int count = ::epoll_wait(set_.get(), events.data(), kBatch, 0);
  for (int i = 0; i < count; ++i) {
    const auto& event = events[static_cast<std::size_t>(i)];
    static_cast<Pollable*>(event.data.ptr)->on_poll(event.events);
  }
  after_batch_();
  // Asio registers the set edge-triggered, but each async_wait re-arms it with EPOLL_CTL_MOD, which
  // looks at readiness anew: what this batch left over is reported again.
  if (running_) wait();
}

}  // namespace holdfast::worker
