#include "tests/support/process_facts.hpp"

#include <filesystem>
#include <poll.h>
#include <sstream>
#include <stdexcept>

#include "tests/support/temp_dir.hpp"

namespace holdfast::testing {
namespace {

namespace fs = std::filesystem;

std::string proc(pid_t pid, const std::string& name = "") {
  return "/proc/" + std::to_string(pid) + "/" + name;
}

std::string must_read(pid_t pid, const std::string& name) {
  std::string text = read_text(proc(pid, name));
  if (text.empty()) throw std::runtime_error("cannot read " + proc(pid, name));
  return text;
}

// Field `index` of /proc/PID/stat, counted from 3 ("state"). The command name in field 2 may hold
// blanks and brackets, so counting starts behind its last one (proc(5)).
std::string stat_field(const std::string& stat, int index) {
  std::istringstream rest(stat.substr(stat.rfind(')') + 1));
  std::string field;
  for (int at = 3; rest >> field; ++at) {
    if (at == index) return field;
  }
  throw std::runtime_error("short /proc/PID/stat: " + stat);
}

std::string status_field(const std::string& status, const std::string& key) {
  std::istringstream lines(status);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key + ":")) return line.substr(key.size() + 1);
  }
  throw std::runtime_error("no " + key + " in /proc/PID/status");
}

std::vector<std::string> threads_of(pid_t pid) {
  std::vector<std::string> found;
  std::error_code error;
  for (fs::directory_iterator it(proc(pid, "task"), error), end; !error && it != end;
       it.increment(error)) {
    found.push_back(it->path().string());
  }
  return found;
}

}  // namespace

std::optional<char> process_state(pid_t pid) {
  const std::string stat = read_text(proc(pid, "stat"));
  if (stat.empty()) return std::nullopt;
  return stat_field(stat, 3).front();
}

bool is_alive(pid_t pid) {
  const auto state = process_state(pid);
  return state && *state != 'Z' && *state != 'X';
}

pid_t parent_of(pid_t pid) { return std::stoi(stat_field(must_read(pid, "stat"), 4)); }
pid_t process_group_of(pid_t pid) { return std::stoi(stat_field(must_read(pid, "stat"), 5)); }

std::vector<pid_t> children_of(pid_t pid) {
  std::vector<pid_t> found;
  for (const std::string& thread : threads_of(pid)) {
    std::istringstream list(read_text(thread + "/children"));
    for (pid_t child = 0; list >> child;) found.push_back(child);
  }
  return found;
}

std::map<int, std::string> open_fds(pid_t pid) {
  std::map<int, std::string> found;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(proc(pid, "fd"))) {
    const std::string target = fs::read_symlink(entry.path(), error).string();
    if (!error) found[std::stoi(entry.path().filename().string())] = target;
  }
  return found;
}

std::uint64_t rss_kib(pid_t pid) {
  return std::stoull(status_field(must_read(pid, "status"), "VmRSS"));
}

std::chrono::nanoseconds cpu_time(pid_t pid) {
  std::chrono::nanoseconds total{};
  for (const std::string& thread : threads_of(pid)) {
    std::istringstream text(read_text(thread + "/schedstat"));
    if (std::int64_t on_cpu = 0; text >> on_cpu) total += std::chrono::nanoseconds(on_cpu);
  }
  return total;
}

std::uint64_t voluntary_switches(pid_t pid) {
  std::uint64_t total = 0;
  for (const std::string& thread : threads_of(pid)) {
    const std::string status = read_text(thread + "/status");
    if (!status.empty()) total += std::stoull(status_field(status, "voluntary_ctxt_switches"));
  }
  return total;
}

std::map<std::string, std::string> environment_of(pid_t pid) {
  std::map<std::string, std::string> found;
  std::istringstream text(must_read(pid, "environ"));
  for (std::string entry; std::getline(text, entry, '\0');) {
    const auto equals = entry.find('=');
    if (equals != std::string::npos) found[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  return found;
}

bool eventually(const std::function<bool()>& fact, std::chrono::milliseconds cap) {
  const auto deadline = std::chrono::steady_clock::now() + cap;
  while (!fact()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    ::poll(nullptr, 0, 1);  // leaves the processor to those whose fact it is
  }
  return true;
}

SignalSets signals_of(pid_t pid) {
  const std::string status = must_read(pid, "status");
  const auto set = [&](const char* key) {
    return std::stoull(status_field(status, key), nullptr, 16);
  };
  return {set("SigBlk"), set("SigIgn"), set("SigCgt")};
}

}  // namespace holdfast::testing
