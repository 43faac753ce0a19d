#include "supervisor/io/process_launcher.hpp"

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// Boost.Process 1.81 uses these three without including them when it runs on std::filesystem.
#include <boost/optional.hpp>
#include <boost/process/v2/posix/default_launcher.hpp>
#include <boost/process/v2/process.hpp>
#include <boost/type_traits/decay.hpp>
#include <boost/type_traits/is_convertible.hpp>

#include "shared/io/syscall.hpp"

namespace holdfast::supervisor {
namespace {

namespace process = boost::process::v2;

// What the child does between fork and exec. Only async-signal-safe calls: the child is a copy of a
// process that may have been in the middle of anything.
struct ChildSetup {
  int stdin_source;
  int stderr_target;
  int channel;
  const char* cwd;

  process::error_code on_setup(process::posix::default_launcher& launcher,
                               const process::filesystem::path&, const char* const*) const {
    // Boost closes what lies above the highest descriptor of this list; all else is CLOEXEC.
    launcher.fd_whitelist.push_back(channel);
    return {};
  }

  process::error_code on_exec_setup(process::posix::default_launcher&,
                                    const process::filesystem::path&, const char* const*) const {
    const bool done = ::setpgid(0, 0) == 0 && ::dup2(stdin_source, 0) == 0 &&
                      ::dup2(stderr_target, 2) == 2 && ::fcntl(channel, F_SETFD, 0) == 0 &&
                      ::chdir(cwd) == 0 && reset_signals();
    if (done) return {};
    return {errno, boost::system::system_category()};
  }

  // Boost would run exit(3), and with it the supervisor's own exit handlers, in the child. A
  // template, because Boost looks this member up with one list of arguments and calls it with
  // another.
  template <typename... Args>
  void on_exec_error(Args&&...) const {
    ::_exit(127);
  }

  // exec keeps ignored signals ignored and the mask as it is (execve(2)), so both are set here. HUP
  // goes to whole sessions, INT and QUIT to the terminal's group: they are the supervisor's.
  static bool reset_signals() {
    for (int number = 1; number < NSIG; ++number) {
      const bool ours = number == SIGHUP || number == SIGINT || number == SIGQUIT;
      // KILL, STOP and the two that libc keeps for itself refuse: they are default already.
      ::signal(number, ours ? SIG_IGN : SIG_DFL);
    }
    sigset_t none;
    ::sigemptyset(&none);
    return ::sigprocmask(SIG_SETMASK, &none, nullptr) == 0;
  }
};

void kill_and_reap(pid_t pid) {
  if (pid <= 0) return;
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

Result<LaunchedProcess> ProcessLauncher::launch(const LaunchPlan& plan, int channel,
                                                int stderr_target) {
  const std::string action = "run " + plan.arguments.front();
  HOLDFAST_ASSIGN(const UniqueFd null, open_file("/dev/null", O_RDONLY));

  std::vector<const char*> arguments;
  for (const std::string& argument : plan.arguments) arguments.push_back(argument.c_str());
  arguments.push_back(nullptr);
  const std::string channel_variable = "HOLDFAST_CHANNEL_FD=" + std::to_string(channel);
  std::vector<const char*> environment;
  for (const std::string& variable : plan.environment) environment.push_back(variable.c_str());
  environment.push_back(channel_variable.c_str());
  environment.push_back(nullptr);

  process::posix::default_launcher launcher;
  launcher.env = environment.data();
  const ChildSetup setup{null.get(), stderr_target, channel, plan.cwd.c_str()};
  process::error_code failed;
  try {
    auto child =
        launcher(fork_context_.get_executor(), failed, plan.executable, arguments.data(), setup);
    // Its destructor would SIGKILL the worker.
    child.detach();
  } catch (const std::exception& error) {
    // Boost opens a pidfd of its own after the fork, which throws when descriptors run out.
    kill_and_reap(launcher.pid);
    return plain_error(action, error.what());
  }
  if (failed) {
    // Boost leaves a child whose exec failed as a zombie.
    kill_and_reap(launcher.pid);
    return errno_error(action, failed.value());
  }

  const pid_t pid = launcher.pid;
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) {
    const int error = errno;
    kill_and_reap(pid);
    return errno_error(action, error);
  }
  return LaunchedProcess{pid, std::move(pidfd)};
}

}  // namespace holdfast::supervisor
