// Opens where the access log goes: "off", "stdout", "stderr" or a path. The supervisor opens it,
// before privileges drop, and passes the descriptor on.
#pragma once

#include <string>

#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast {

// "off" gives an empty UniqueFd. A file is created and appended to. A pipe or terminal behind
// stdout/stderr is opened anew and nonblocking, because O_NONBLOCK on the inherited description
// would strike whoever shares it.
Result<UniqueFd> open_log_target(const std::string& target);

}  // namespace holdfast
