#include "supervisor/io/launch_plan.hpp"

#include <array>
#include <cassert>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <string_view>
#include <sys/stat.h>
#include <unistd.h>

namespace holdfast::supervisor {
namespace {

Result<std::string> real_path(const std::string& path, const std::string& action) {
  std::array<char, PATH_MAX> resolved{};
  if (::realpath(path.c_str(), resolved.data()) == nullptr) return errno_error(action, errno);
  return {boost::system::in_place_value, resolved.data()};
}

// 0, or the errno that exec would fail with.
int executable_error(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return errno;
  if (S_ISDIR(info.st_mode)) return EISDIR;
  if (!S_ISREG(info.st_mode)) return EACCES;
  return ::access(path.c_str(), X_OK) == 0 ? 0 : errno;
}

std::string join(const std::string& folder, std::string_view name) {
  if (!name.empty() && name.front() == '/') return std::string(name);
  if (name.empty()) return folder;
  return folder + '/' + std::string(name);
}

// As execvp(3) does: an entry that cannot be run is passed over, and remembered as the reason.
Result<std::string> find_in_path(const std::string& name, const std::string& cwd) {
  const char* variable = std::getenv("PATH");
  const std::string_view path = variable != nullptr ? variable : "/usr/local/bin:/usr/bin:/bin";
  bool forbidden = false;
  for (std::size_t begin = 0; begin <= path.size();) {
    const std::size_t end = std::min(path.find(':', begin), path.size());
    const std::string candidate = join(join(cwd, path.substr(begin, end - begin)), name);
    const int error = executable_error(candidate);
    if (error == 0) return {boost::system::in_place_value, candidate};
    forbidden = forbidden || error == EACCES;
    begin = end + 1;
  }
  if (forbidden) return errno_error("run " + name, EACCES);
  return plain_error("run " + name, "not found in PATH");
}

}  // namespace

std::string logical_cwd(const std::string& cwd) {
  std::array<char, PATH_MAX> physical{};
  const char* here = ::getcwd(physical.data(), physical.size());
  const std::string fallback = here != nullptr ? here : "/";
  const auto same = [](const char* a, const char* b) {
    struct stat left {};
    struct stat right {};
    return ::stat(a, &left) == 0 && ::stat(b, &right) == 0 && left.st_dev == right.st_dev &&
           left.st_ino == right.st_ino;
  };
  const char* pwd = std::getenv("PWD");
  const bool trusted = pwd != nullptr && pwd[0] == '/' && same(pwd, ".");
  const std::string base = trusted ? pwd : fallback;
  return cwd.empty() ? base : join(base, cwd);
}

std::vector<std::string> worker_environment() {
  constexpr std::array<std::string_view, 4> kOurs{"HOLDFAST_", "LISTEN_",
                                                  "NOTIFY_SOCKET=", "WATCHDOG_"};
  std::vector<std::string> environment;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    bool ours = false;
    for (const std::string_view prefix : kOurs) ours = ours || variable.starts_with(prefix);
    if (!ours) environment.emplace_back(variable);
  }
  return environment;
}

Result<LaunchPlan> make_launch_plan(const std::vector<std::string>& command,
                                    const std::string& cwd) {
  assert(!command.empty());
  const std::string& name = command.front();
  if (name.empty()) return plain_error("run the command", "its name is empty");
  LaunchPlan plan;
  plan.arguments = command;
  HOLDFAST_ASSIGN(plan.cwd, real_path(cwd, "enter " + cwd));
  struct stat folder {};
  if (::stat(plan.cwd.c_str(), &folder) == 0 && !S_ISDIR(folder.st_mode)) {
    return errno_error("enter " + cwd, ENOTDIR);
  }
  std::string path;
  if (name.find('/') == std::string::npos) {
    HOLDFAST_ASSIGN(path, find_in_path(name, cwd));
  } else {
    path = join(cwd, name);
    if (const int error = executable_error(path); error != 0) {
      return errno_error("run " + name, error);
    }
  }
  HOLDFAST_ASSIGN(plan.executable, real_path(path, "run " + name));
  plan.environment = worker_environment();
  for (std::string& variable : plan.environment) {
    if (variable.starts_with("PWD=")) variable = "PWD=" + plan.cwd;
  }
  return plan;
}

}  // namespace holdfast::supervisor
