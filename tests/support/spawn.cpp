#include "tests/support/spawn.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

#include "shared/io/unique_fd.hpp"

extern char** environ;

namespace holdfast::testing {
namespace {

std::vector<std::string> environment_for(const ChildOptions& options) {
  std::vector<std::string> entries;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('='));
    const auto& without = options.without;
    if (options.environment.contains(name)) continue;
    if (std::find(without.begin(), without.end(), name) == without.end()) entries.push_back(text);
  }
  for (const auto& [name, value] : options.environment) entries.push_back(name + "=" + value);
  return entries;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> found;
  for (std::string& text : texts) found.push_back(text.data());
  found.push_back(nullptr);
  return found;
}

// dup2(2) onto itself would keep CLOEXEC.
bool give(int fd, int number) {
  return fd == number ? ::fcntl(fd, F_SETFD, 0) == 0 : ::dup2(fd, number) == number;
}

bool take_descriptors(const ChildOptions& options) {
  const int in = options.in >= 0 ? options.in : ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  const std::array<int, 3> standard{in, options.out, options.err};
  // What ctest or a shell left open must not look like a leak of the program under test.
  if (options.pass.empty()) ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
  for (int number = 0; number < 3; ++number) {
    const int fd = standard[static_cast<std::size_t>(number)];
    if (fd >= 0 && !give(fd, number)) return false;
  }
  return std::all_of(options.pass.begin(), options.pass.end(), [](int fd) { return give(fd, fd); });
}

// Between fork(2) and execve(2) of a test with threads: system calls and nothing else. Returns when
// one has failed.
void become(const ChildOptions& options, pid_t test, char* const* argv, char* const* variables) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != test) ::_exit(1);  // it has died already
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::setpgid(0, 0) != 0 || !take_descriptors(options)) return;
  if (!options.cwd.empty() && ::chdir(options.cwd.c_str()) != 0) return;
  ::execvpe(argv[0], argv, variables);
}

}  // namespace

pid_t spawn(const ChildOptions& options) {
  std::vector<std::string> words = options.argv;
  std::vector<std::string> variables = environment_for(options);
  const std::vector<char*> argv = pointers(words);
  const std::vector<char*> environment = pointers(variables);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    throw std::system_error(errno, std::generic_category(), "pipe2");
  const UniqueFd failed(ends[0]);
  UniqueFd fails(ends[1]);  // closed by a successful execve()
  const pid_t test = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) {
    become(options, test, argv.data(), environment.data());
    const int error = errno;
    (void)!::write(fails.get(), &error, sizeof error);
    ::_exit(127);
  }
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "fork");
  fails.reset();
  int error = 0;
  ssize_t got = 0;
  while ((got = ::read(failed.get(), &error, sizeof error)) < 0 && errno == EINTR) {
  }
  if (got == 0) return pid;
  ::waitpid(pid, nullptr, 0);
  throw std::system_error(error, std::generic_category(), options.argv[0]);
}

}  // namespace holdfast::testing
