#include "tests/support/child_process.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <mutex>
#include <poll.h>
#include <set>
#include <stdexcept>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <system_error>
#include <thread>
#include <unistd.h>

#include "shared/io/syscall.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/spawn.hpp"
#include "tests/support/temp_dir.hpp"

namespace holdfast::testing {
namespace {

#ifndef HOLDFAST_TEST_SLOWNESS
#define HOLDFAST_TEST_SLOWNESS 1
#endif

std::mutex owned_mutex;
std::set<pid_t> owned;  // children that a ChildProcess reaps

ExitStatus reap(int idtype, id_t id) {
  siginfo_t info{};
  while (::waitid(static_cast<idtype_t>(idtype), id, &info, WEXITED) < 0 && errno == EINTR) {
  }
  return info.si_code == CLD_EXITED ? exited(info.si_status) : killed_by(info.si_status);
}

}  // namespace

Millis scaled(Millis bound) {
  const char* more = std::getenv("HOLDFAST_TEST_TIME_SCALE");
  return bound * HOLDFAST_TEST_SLOWNESS * (more != nullptr ? std::max(1, std::atoi(more)) : 1);
}

bool programs_are_sanitized() { return HOLDFAST_TEST_SLOWNESS != 1; }

std::ostream& operator<<(std::ostream& out, const ExitStatus& status) {
  return status.signal != 0 ? out << "killed by signal " << status.signal
                            : out << "exit code " << status.code;
}

ChildProcess::ChildProcess(const ChildOptions& options) {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  const std::scoped_lock lock(owned_mutex);
  pid_ = spawn(options);
  owned.insert(pid_);
  pidfd_ = open_pidfd(pid_);
}

ChildProcess::~ChildProcess() {
  signal(SIGKILL);
  wait_exit();
  const std::scoped_lock lock(owned_mutex);
  owned.erase(pid_);
}

void ChildProcess::signal(int number) const {
  // Not reaped yet, so the number cannot belong to anybody else.
  if (!status_) ::kill(pid_, number);
}

std::optional<ExitStatus> ChildProcess::wait_exit(Millis cap) {
  if (!status_ && wait_readable(pidfd_.get(), cap)) {
    // The rest of its group, while the unreaped leader keeps the number ours.
    ::kill(-pid_, SIGKILL);
    status_ = reap(P_PIDFD, static_cast<id_t>(pidfd_.get()));
  }
  return status_;
}

bool wait_readable(int fd, Millis cap) {
  const TimePoint deadline = Clock::now() + cap;
  pollfd wanted{fd, POLLIN, 0};
  for (;;) {
    const auto left = std::chrono::ceil<Millis>(deadline - Clock::now()).count();
    const int ready = ::poll(&wanted, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready > 0) return true;
    if (ready == 0) return false;
    if (errno != EINTR) throw std::system_error(errno, std::generic_category(), "poll");
  }
}

UniqueFd open_pidfd(pid_t pid) {
  return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool wait_gone(pid_t pid, Millis cap) {
  const UniqueFd pidfd = open_pidfd(pid);
  return !pidfd || wait_readable(pidfd.get(), cap);
}

int end_strays() {
  int ended = 0;
  for (pid_t child : children_of(::getpid())) {
    {
      const std::scoped_lock lock(owned_mutex);
      if (owned.contains(child)) continue;
    }
    // A zombie was no process left behind, only its exit status is.
    if (is_alive(child)) ++ended;
    if (process_group_of(child) == child) ::kill(-child, SIGKILL);
    ::kill(child, SIGKILL);
    reap(P_PID, static_cast<id_t>(child));
  }
  return ended;
}

CommandResult run_command(std::vector<std::string> argv, std::string_view input, Millis cap) {
  const TempDir files;
  const std::string in_path = files.write("in", input);
  const auto open = [](const std::string& path, int flags) {
    return open_file(path, flags).value();
  };
  const UniqueFd in = open(in_path, O_RDONLY);
  const UniqueFd out = open(files.file("out"), O_WRONLY | O_CREAT);
  const UniqueFd err = open(files.file("err"), O_WRONLY | O_CREAT);
  ChildProcess child({.argv = argv, .in = in.get(), .out = out.get(), .err = err.get()});
  const auto status = child.wait_exit(cap);
  if (!status) throw std::runtime_error(argv[0] + " did not end in time");
  return {*status, read_text(files.file("out")), read_text(files.file("err"))};
}

}  // namespace holdfast::testing
