// What the kernel says about a process, from /proc. Nothing here is cached. A process that is gone
// has no facts: the functions that say so return nothing, the others throw std::runtime_error.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

namespace holdfast::testing {

// 'R', 'S', 'T', 'Z', ...; nothing when no such process exists.
std::optional<char> process_state(pid_t pid);
// Exists and is no zombie.
bool is_alive(pid_t pid);

pid_t parent_of(pid_t pid);
pid_t process_group_of(pid_t pid);
// Of all its threads; zombies are children too.
std::vector<pid_t> children_of(pid_t pid);

// Number to target, as readlink says it: "socket:[123]", "/dev/null", "anon_inode:[eventpoll]".
std::map<int, std::string> open_fds(pid_t pid);
std::uint64_t rss_kib(pid_t pid);
// Of all threads that still live, in nanoseconds (schedstat), so far finer than utime's ticks.
std::chrono::nanoseconds cpu_time(pid_t pid);
// Times that a thread of it gave up the processor by itself: it was woken so often.
std::uint64_t voluntary_switches(pid_t pid);
// What it was started with; later setenv() calls do not show.
std::map<std::string, std::string> environment_of(pid_t pid);

// For facts that the kernel announces to nobody: looks again and again until `fact` is true, and
// says whether it came true within `cap`.
bool eventually(const std::function<bool()>& fact,
                std::chrono::milliseconds cap = std::chrono::seconds(10));

// Bit n-1 is signal n.
struct SignalSets {
  std::uint64_t blocked = 0;
  std::uint64_t ignored = 0;
  std::uint64_t caught = 0;
  static bool has(std::uint64_t set, int signal) { return (set >> (signal - 1) & 1) != 0; }
};
SignalSets signals_of(pid_t pid);

}  // namespace holdfast::testing
