// Starts a program in a process group of its own and watches it by pidfd. Whatever the test does,
// the destructor leaves no process of that group alive.
//
// The first child makes the test a subreaper (prctl(2), PR_SET_CHILD_SUBREAPER): what a supervisor
// leaves behind becomes a child of the test, so that "nothing is left" can be asked of the kernel.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "shared/core/time.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast::testing {

// How long a test waits for what must come. Generous: it strikes only when a promise is broken.
inline constexpr Millis kCap{30'000};

// Where a bound in time is tested, a slower build (a sanitizer's) gets `bound` times a factor.
// HOLDFAST_TEST_TIME_SCALE multiplies it once more, for a crowded machine.
Millis scaled(Millis bound);
// The programs under test: their memory is then more than theirs (quarantine, shadow, redzones),
// and they need descriptors of their own.
bool programs_are_sanitized();

struct ExitStatus {
  int code = -1;   // when it exited by itself
  int signal = 0;  // when a signal ended it
  bool operator==(const ExitStatus&) const = default;
};
inline constexpr ExitStatus exited(int code) { return {.code = code}; }
inline constexpr ExitStatus killed_by(int signal) { return {.signal = signal}; }
std::ostream& operator<<(std::ostream& out, const ExitStatus& status);

struct ChildOptions {
  std::vector<std::string> argv;                        // argv[0] is looked up in PATH
  std::map<std::string, std::string> environment = {};  // beside and before the test's own
  std::vector<std::string> without = {};                // variables of the test's that it lacks
  std::string cwd = {};
  int in = -1;   // -1: /dev/null
  int out = -1;  // -1: the test's
  int err = -1;
  std::vector<int> pass = {};  // descriptors it gets beside 0, 1 and 2, under the same numbers
};

class ChildProcess {
 public:
  explicit ChildProcess(const ChildOptions& options);  // throws std::system_error
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const;  // does nothing when it has ended
  // Nothing when `cap` has passed. May be called again after the end.
  std::optional<ExitStatus> wait_exit(Millis cap = kCap);

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  std::optional<ExitStatus> status_;
};

// Readable, or at its end; false when `cap` has passed.
bool wait_readable(int fd, Millis cap);
UniqueFd open_pidfd(pid_t pid);  // empty when there is no such process
// True when the process has ended within `cap`, or was gone before.
bool wait_gone(pid_t pid, Millis cap = kCap);

// Kills and reaps every child of this process that no ChildProcess owns, with its group; returns
// how many there were.
int end_strays();

struct CommandResult {
  ExitStatus status;
  std::string out;
  std::string err;
};
// Runs to the end; `input` is its stdin. Throws when `cap` passes.
CommandResult run_command(std::vector<std::string> argv, std::string_view input = {},
                          Millis cap = kCap);

}  // namespace holdfast::testing
