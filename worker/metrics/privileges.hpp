// Who this process is. Whoever reaches its port must gain nothing by breaking it.
#pragma once

#include <string>

#include "shared/core/result.hpp"

namespace holdfast::metrics {

// Becomes `user` when started by root, and can never become anybody else.
Result<void> drop_privileges(const std::string& user);

}  // namespace holdfast::metrics
