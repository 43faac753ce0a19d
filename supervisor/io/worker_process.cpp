#include "supervisor/io/worker_process.hpp"

#include <cerrno>
#include <csignal>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace holdfast::supervisor {

WorkerProcess::WorkerProcess(boost::asio::io_context& io, GenerationId generation,
                             LaunchedProcess launched, UniqueFd channel, UniqueFd output,
                             Callbacks callbacks)
    : generation_(generation),
      pid_(launched.pid),
      pidfd_(io, launched.pidfd.get()),
      output_(io, std::move(output), std::move(callbacks.output)),
      on_exit_(std::move(callbacks.on_exit)) {
  (void)launched.pidfd.release();  // pidfd_ has it
  if (channel) channel_.emplace(io, std::move(channel), std::move(callbacks.channel));
  wait_exit();
}

WorkerProcess::~WorkerProcess() = default;

void WorkerProcess::wait_exit() {
  pidfd_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this](boost::system::error_code failed) {
                      if (!failed) reap();
                    });
}

void WorkerProcess::reap() {
  int status = 0;
  pid_t got = 0;
  do {
    got = ::waitpid(pid_, &status, WNOHANG);
  } while (got < 0 && errno == EINTR);
  // Asio may report an event of a descriptor that had this one's place in its tables before.
  if (got == 0) return wait_exit();
  reaped_ = true;
  // What it wrote last belongs to the verdict.
  output_.finish();
  ExitStatus ended;
  if (got == pid_ && WIFSIGNALED(status)) {
    ended.signal = WTERMSIG(status);
  } else if (got == pid_) {
    ended.code = WEXITSTATUS(status);
  }
  on_exit_(ended);  // may destroy this
}

void WorkerProcess::send(const ControlMessage& message, std::vector<UniqueFd> fds) {
  if (channel_) channel_->send(message, std::move(fds));
}

void WorkerProcess::signal(int number) {
  // By pidfd: never another process that got the same number.
  ::syscall(SYS_pidfd_send_signal, pidfd_.native_handle(), number, nullptr, 0);
}

void WorkerProcess::kill_group() {
  // Until it is reaped its pid, and so the group's number, is taken.
  if (reaped_) return;
  ::kill(-pid_, SIGKILL);
  ::syscall(SYS_pidfd_send_signal, pidfd_.native_handle(), SIGKILL, nullptr, 0);
}

}  // namespace holdfast::supervisor
