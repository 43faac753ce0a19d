#include "supervisor/io/stranger_reaper.hpp"

#include <cerrno>
#include <csignal>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

namespace holdfast::supervisor {

StrangerReaper::StrangerReaper(boost::asio::io_context& io, std::function<bool(pid_t)> is_ours)
    : is_ours_(std::move(is_ours)), watch_(io) {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  signals_.reset(::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC));
  if (!signals_) return;
  watch_.assign(signals_.get());
  wait();
  look();  // some may have died before
}

StrangerReaper::~StrangerReaper() {
  if (watch_.is_open()) watch_.release();  // signals_ owns the descriptor
}

void StrangerReaper::wait() {
  watch_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this](boost::system::error_code failed) {
                      if (failed) return;
                      signalfd_siginfo info{};
                      while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
                      }
                      look();
                      wait();
                    });
}

// WNOWAIT shows a dead child without reaping it. One of ours hides those behind it until its owner
// has waited for it and calls again.
void StrangerReaper::look() {
  for (;;) {
    siginfo_t dead{};
    if (::waitid(P_ALL, 0, &dead, WEXITED | WNOHANG | WNOWAIT) != 0) {
      if (errno == EINTR) continue;
      return;
    }
    if (dead.si_pid == 0 || is_ours_(dead.si_pid)) return;
    ::waitpid(dead.si_pid, nullptr, WNOHANG);
  }
}

Result<void> become_subreaper() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0)
    return errno_error("become a subreaper", errno);
  return {};
}

}  // namespace holdfast::supervisor
