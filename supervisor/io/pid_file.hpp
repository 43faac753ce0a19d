// The file that tells scripts our pid. Whoever can read it sees a whole number or no file at all.
#pragma once

#include <string>

#include "shared/core/result.hpp"

namespace holdfast::supervisor {

// Writes beside `path` and renames.
Result<void> write_pid_file(const std::string& path);

// Only if it still holds our pid: a successor may have written its own.
void remove_pid_file(const std::string& path);

}  // namespace holdfast::supervisor
