#include "tests/soak/kill.hpp"

#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>
#include <unordered_set>

#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

// proc(5), /proc/net/tcp: "sl local_address rem_address st ... inode".
std::set<Ports> connections_of(const std::unordered_set<std::string>& inodes) {
  std::set<Ports> found;
  std::ifstream table("/proc/net/tcp");
  std::string line;
  while (std::getline(table, line)) {
    unsigned local = 0;
    unsigned remote = 0;
    char inode[24] = "";
    if (std::sscanf(line.c_str(),
                    "%*s %*8[0-9A-F]:%4X %*8[0-9A-F]:%4X %*s %*s %*s %*s %*s %*s %23s", &local,
                    &remote, inode) == 3 &&
        inodes.contains(inode)) {
      found.emplace(static_cast<int>(local), static_cast<int>(remote));
    }
  }
  return found;
}

}  // namespace

std::optional<Kill> kill_worker(pid_t pid) {
  const TimePoint stopped = Clock::now();
  if (::kill(pid, SIGSTOP) != 0) return std::nullopt;
  const auto stopped_or_gone = [&] {
    const auto state = process_state(pid);
    return !state || *state == 'T' || *state == 'Z';
  };
  Kill kill{.pid = pid, .connections = {}, .stopped = stopped, .at = {}};
  if (!eventually(stopped_or_gone) || !is_alive(pid)) return std::nullopt;
  std::unordered_set<std::string> inodes;
  for (const auto& [fd, target] : open_fds(pid)) {
    if (target.starts_with("socket:[")) inodes.insert(target.substr(8, target.size() - 9));
  }
  kill.connections = connections_of(inodes);
  kill.at = Clock::now();
  ::kill(pid, SIGKILL);
  return kill;
}

}  // namespace holdfast::testing
