#include "worker/io/drain_signals.hpp"

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <unistd.h>

namespace holdfast::worker {
namespace {

std::atomic<int> wake_fd{-1};
std::atomic<int> stops{0};
std::atomic<int> reopens{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler must not lock");

void count(int signal) {
  const int saved = errno;
  ++(signal == SIGUSR1 ? reopens : stops);
  const std::uint64_t one = 1;
  // On a closed or full one there is nobody to tell.
  [[maybe_unused]] const auto written = ::write(wake_fd, &one, sizeof one);
  errno = saved;
}

}  // namespace

DrainSignals::DrainSignals(int fd) {
  stops = 0;
  reopens = 0;
  wake_fd = fd;
}

DrainSignals::~DrainSignals() {
  for (const auto& [signal, action] : before_) ::sigaction(signal, &action, nullptr);
  wake_fd = -1;
}

void DrainSignals::handle(int signal) { replace(signal, count); }
void DrainSignals::ignore(int signal) { replace(signal, SIG_IGN); }

void DrainSignals::replace(int signal, void (*handler)(int)) {
  struct sigaction current {};
  if (::sigaction(signal, nullptr, &current) != 0 || (current.sa_flags & SA_SIGINFO) != 0 ||
      current.sa_handler != SIG_DFL) {
    return;
  }
  struct sigaction ours {};
  ours.sa_handler = handler;
  ours.sa_flags = SA_RESTART;
  if (::sigaction(signal, &ours, nullptr) == 0) before_.emplace_back(signal, current);
}

DrainSignals::Taken DrainSignals::take() { return {stops.exchange(0), reopens.exchange(0) > 0}; }

}  // namespace holdfast::worker
