// Who this process is. Whoever reaches its port must gain nothing by breaking it.
#pragma once

#include <sys/types.h>

#include "shared/core/result.hpp"

namespace holdfast::metrics {

// Becomes that user when started by root, and can never become anybody else. The supervisor looks
// names up, as it does for workers.
Result<void> drop_privileges(uid_t uid, gid_t gid);

}  // namespace holdfast::metrics
