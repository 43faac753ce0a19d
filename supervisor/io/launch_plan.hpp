// What a generation runs: executable, arguments, working directory and environment, resolved once
// through symlinks, so that a worker respawned later is of the same release. Reads the file system
// and the environment, changes nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/core/result.hpp"
#include "supervisor/io/worker_rights.hpp"

namespace holdfast::supervisor {

struct LaunchPlan {
  std::string executable;                // absolute, no symlink left
  std::vector<std::string> arguments;    // argv, its first as the operator wrote it
  std::string cwd;                       // absolute, no symlink left
  std::vector<std::string> environment;  // "NAME=value", without HOLDFAST_CHANNEL_FD
  WorkerRights rights;
};

// The directory that a relative command is looked up from: `cwd` when given, else $PWD when it
// names the same inode as ".", else getcwd(3).
std::string logical_cwd(const std::string& cwd);

// `path` as seen from `folder`, which it is itself when empty.
std::string under(const std::string& folder, std::string_view path);

// A command with a slash is taken from `cwd`, one without by $PATH. Fails with the line that the
// operator reads: "cannot run ./service: No such file or directory".
Result<LaunchPlan> make_launch_plan(const std::vector<std::string>& command,
                                    const std::string& cwd);

// This process's environment without what concerns only this process: HOLDFAST_*, and systemd's
// sockets, notifications and watchdog.
std::vector<std::string> worker_environment();

}  // namespace holdfast::supervisor
