#include "worker/io/dispatch_fd.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace holdfast::worker {
namespace {

bool add(int set, int fd, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  return ::epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) == 0;
}

}  // namespace

Result<DispatchFd> DispatchFd::create() {
  DispatchFd made;
  made.set_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  made.wake_ = UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  made.timer_ = UniqueFd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!made.set_ || !made.wake_ || !made.timer_ ||
      !add(made.set_.get(), made.wake_.get(), EPOLLIN) ||
      !add(made.set_.get(), made.timer_.get(), EPOLLIN)) {
    return errno_error("create an event loop", errno);
  }
  return made;
}

void DispatchFd::wake() noexcept {
  const std::uint64_t one = 1;
  // Fails only when it is readable already.
  [[maybe_unused]] const auto written = ::write(wake_.get(), &one, sizeof one);
}

void DispatchFd::watch(int fd, bool write) {
  if (watched_ == fd && writing_ == write) return;
  const std::uint32_t events = write ? EPOLLIN | EPOLLOUT : EPOLLIN;
  if (watched_ == fd) {
    epoll_event event{};
    event.events = events;
    event.data.fd = fd;
    ::epoll_ctl(set_.get(), EPOLL_CTL_MOD, fd, &event);
  } else {
    add(set_.get(), fd, events);
  }
  watched_ = fd;
  writing_ = write;
}

void DispatchFd::unwatch(int fd) {
  if (watched_ != fd) return;
  ::epoll_ctl(set_.get(), EPOLL_CTL_DEL, fd, nullptr);
  watched_ = -1;
}

void DispatchFd::watch_also(int fd) { add(set_.get(), fd, EPOLLIN); }

void DispatchFd::unwatch_also(int fd) { ::epoll_ctl(set_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void DispatchFd::set_timer(std::optional<TimePoint> at) {
  if (at == armed_) return;
  armed_ = at;
  itimerspec when{};
  if (at) {
    // Zero would disarm it (timerfd_create(2)).
    const auto since_boot =
        std::max<std::chrono::nanoseconds>(at->time_since_epoch(), std::chrono::nanoseconds(1));
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since_boot);
    when.it_value.tv_sec = seconds.count();
    when.it_value.tv_nsec = (since_boot - seconds).count();
  }
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void DispatchFd::clear() {
  std::uint64_t count = 0;
  [[maybe_unused]] auto got = ::read(wake_.get(), &count, sizeof count);
  got = ::read(timer_.get(), &count, sizeof count);
  if (got > 0) armed_.reset();
}

}  // namespace holdfast::worker
