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

constexpr int kFirst = 3;
constexpr std::size_t kPidDigits = 12;

// What the child does between fork and exec. Only async-signal-safe calls: the child is a copy of a
// process that may have been in the middle of anything.
struct ChildSetup {
  int stdin_source;
  int stderr_target;
  int channel;
  const char* cwd;
  const std::vector<UniqueFd>& from_three;  // all above the numbers that they will get
  const std::vector<char*>& pid_digits;     // where the child writes its own pid
  const WorkerRights& rights;

  process::error_code on_setup(process::posix::default_launcher& launcher,
                               const process::filesystem::path&, const char* const*) const {
    // Boost closes what lies above the highest descriptor of this list; all else is CLOEXEC.
    if (channel >= 0) launcher.fd_whitelist.push_back(channel);
    for (const UniqueFd& fd : from_three) launcher.fd_whitelist.push_back(fd.get());
    return {};
  }

  process::error_code on_exec_setup(process::posix::default_launcher&,
                                    const process::filesystem::path&, const char* const*) const {
    const bool done = ::setpgid(0, 0) == 0 && ::dup2(stdin_source, 0) == 0 &&
                      ::dup2(stderr_target, 2) == 2 &&
                      (channel < 0 || ::fcntl(channel, F_SETFD, 0) == 0) && place_from_three() &&
                      ::chdir(cwd) == 0 && reset_signals();
    write_pid();
    if (!done) return {errno, boost::system::system_category()};
    const int refused = take_rights(rights);
    if (refused == 0) return {};
    errno = refused;  // what Boost hands to the parent
    return {refused, boost::system::system_category()};
  }

  // dup2(2) makes a copy without CLOEXEC; the sources keep theirs and go at exec.
  bool place_from_three() const {
    for (std::size_t i = 0; i < from_three.size(); ++i) {
      const int target = kFirst + static_cast<int>(i);
      if (::dup2(from_three[i].get(), target) != target) return false;
    }
    return true;
  }

  // Known only here; snprintf(3) is not async-signal-safe. No leading zeros: some take them for
  // octal.
  void write_pid() const {
    for (char* to : pid_digits) {
      char reversed[kPidDigits];
      int count = 0;
      for (pid_t rest = ::getpid(); rest > 0; rest /= 10) {
        reversed[count++] = static_cast<char>('0' + rest % 10);
      }
      while (count > 0) *to++ = reversed[--count];
      *to = '\0';
    }
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

// Descriptors that become 3, 4, ... must not stand in each other's way, and Boost's own pipe,
// through which a failed exec is reported, must not get one of those numbers: copies go above them,
// and what is free below is filled for the time of the launch.
struct PlacedDescriptors {
  std::vector<UniqueFd> sources;
  std::vector<UniqueFd> fillers;
};

Result<PlacedDescriptors> make_room(const std::vector<int>& wanted, int any,
                                    const std::string& action) {
  PlacedDescriptors placed;
  if (wanted.empty()) return placed;
  const int end = kFirst + static_cast<int>(wanted.size());
  for (const int fd : wanted) {
    UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, end));
    if (!copy) return errno_error(action, errno);
    placed.sources.push_back(std::move(copy));
  }
  for (;;) {
    UniqueFd filler(::fcntl(any, F_DUPFD_CLOEXEC, kFirst));
    if (!filler) return errno_error(action, errno);
    if (filler.get() >= end) return placed;
    placed.fillers.push_back(std::move(filler));
  }
}

void kill_and_reap(pid_t pid) {
  if (pid <= 0) return;
  ::kill(pid, SIGKILL);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

Result<LaunchedProcess> ProcessLauncher::launch(const LaunchPlan& plan,
                                                const LaunchDescriptors& descriptors) {
  const std::string action = "run " + plan.arguments.front();
  HOLDFAST_ASSIGN(const UniqueFd null, open_file("/dev/null", O_RDONLY));

  std::vector<const char*> arguments;
  for (const std::string& argument : plan.arguments) arguments.push_back(argument.c_str());
  arguments.push_back(nullptr);
  HOLDFAST_ASSIGN(const PlacedDescriptors placed,
                  make_room(descriptors.from_three, null.get(), action));
  const std::string channel_variable = "HOLDFAST_CHANNEL_FD=" + std::to_string(descriptors.channel);
  std::vector<std::string> pid_variables;
  std::vector<char*> pid_digits;
  for (const std::string& name : descriptors.pid_variables) {
    pid_variables.push_back(name + '=' + std::string(kPidDigits, '\0'));
  }
  std::vector<const char*> environment;
  for (const std::string& variable : plan.environment) environment.push_back(variable.c_str());
  if (descriptors.channel >= 0) environment.push_back(channel_variable.c_str());
  for (std::string& variable : pid_variables) {
    environment.push_back(variable.c_str());
    pid_digits.push_back(variable.data() + variable.find('=') + 1);
  }
  environment.push_back(nullptr);

  process::posix::default_launcher launcher;
  launcher.env = environment.data();
  const ChildSetup setup{null.get(),          descriptors.stderr_target,
                         descriptors.channel, plan.cwd.c_str(),
                         placed.sources,      pid_digits,
                         plan.rights};
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
    return Error{"cannot " + action + ": " + rights_error(failed.value()), failed.value()};
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
