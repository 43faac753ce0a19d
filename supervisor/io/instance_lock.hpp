// One live supervisor a name: a lock on a file in the runtime directory, which the kernel drops
// with the process however it ends (flock(2)).
#pragma once

#include <string>

#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast::supervisor {

// /run/holdfast for root, $XDG_RUNTIME_DIR/holdfast for others, else a folder of the user's own in
// the temporary directory.
std::string runtime_path();

// The same, created 0700; one that is a symlink or somebody else's is refused.
Result<std::string> runtime_directory();

struct InstanceLock {
  UniqueFd file;  // held for life; empty when the directory cannot be used
  std::string path;
  std::string warning;  // why, for the operator
};

// Fails when the name is held by a live supervisor. What stops us from finding out is a warning.
Result<InstanceLock> lock_instance(const std::string& name);

// At the end of a run, so that names that were used once leave nothing behind.
void unlock_instance(InstanceLock& lock);

}  // namespace holdfast::supervisor
