// The environment of one generation's workers, put together anew for each.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/core/result.hpp"
#include "supervisor/core/options.hpp"
#include "supervisor/io/worker_rights.hpp"

namespace holdfast::supervisor {

// Weakest first: our own (but not with clean_env), what `account` says of a user, env_files,
// environment. PWD is `real_cwd`. "NAME=value", sorted by name.
Result<std::vector<std::string>> generation_environment(const Options& options,
                                                        const std::optional<Account>& account,
                                                        const std::string& real_cwd);

}  // namespace holdfast::supervisor
