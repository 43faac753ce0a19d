// How a worker finds its supervisor.
#pragma once

#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast::worker {

// Our end of the control channel, which HOLDFAST_CHANNEL_FD names, or an empty one when nobody
// supervises us. The variable is for this process alone: it is unset, and the descriptor gets
// close-on-exec.
Result<UniqueFd> take_channel();

}  // namespace holdfast::worker
