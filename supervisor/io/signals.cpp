#include "supervisor/io/signals.hpp"

#include <cerrno>
#include <csignal>
#include <sys/signalfd.h>
#include <unistd.h>

namespace holdfast::supervisor {

const char* signal_name(int number) {
  const char* name = ::sigabbrev_np(number);
  return name != nullptr ? name : "?";
}

Result<Signals> Signals::block() {
  // A worker, a pipe's reader or a client that goes away shows as EPIPE where it matters.
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2, SIGTTIN, SIGTTOU}) {
    // An ignored signal is dropped before it reaches a signalfd, and nohup(1) ignores HUP.
    ::signal(number, SIG_DFL);
    ::sigaddset(&set, number);
  }
  // Ignored CHLD would let the kernel reap workers, and their exit status would be lost (wait(2)).
  ::signal(SIGCHLD, SIG_DFL);
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return errno_error("block signals", errno);
  UniqueFd fd(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!fd) return errno_error("receive signals", errno);
  return Signals(std::move(fd));
}

void Signals::start(boost::asio::io_context& io, std::function<void(ReceivedSignal)> on_signal) {
  on_signal_ = std::move(on_signal);
  watch_ = std::make_unique<boost::asio::posix::stream_descriptor>(io, fd_.get());
  wait();
}

void Signals::stop() {
  if (watch_ && watch_->is_open()) watch_->release();  // fd_ owns the descriptor
  watch_.reset();  // before the io_context goes, which this object outlives
}

void Signals::wait() {
  watch_->async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [this](boost::system::error_code failed) {
                       if (failed) return;
                       signalfd_siginfo info{};
                       while (::read(fd_.get(), &info, sizeof info) == sizeof info) {
                         const bool from_process = info.ssi_code <= 0;  // sigaction(2), si_code
                         on_signal_({static_cast<int>(info.ssi_signo),
                                     from_process ? static_cast<pid_t>(info.ssi_pid) : 0,
                                     from_process ? info.ssi_uid : 0});
                       }
                       if (watch_->is_open()) wait();
                     });
}

}  // namespace holdfast::supervisor
