// A small file that the operator wrote, read whole.
#pragma once

#include <string>

#include "shared/core/result.hpp"

namespace holdfast::supervisor {

// Fails on what is no regular file, which could keep us waiting, and on more than a MiB.
Result<std::string> read_whole_file(const std::string& path);

}  // namespace holdfast::supervisor
