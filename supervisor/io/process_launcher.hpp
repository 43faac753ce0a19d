// Starts worker processes. The only place with Boost.Process, which launches; waiting and killing
// go by pidfd. A worker gets 0, 1, 2 and its channel, or its listeners from 3 on, a process group
// of its own, an empty signal mask, HUP/INT/QUIT ignored and all else default. One thread.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"
#include "supervisor/io/launch_plan.hpp"

namespace holdfast::supervisor {

struct LaunchedProcess {
  pid_t pid = -1;
  UniqueFd pidfd;  // readable once the process is dead (pidfd_open(2))
};

// The launcher's caller keeps its own; the child gets copies.
struct LaunchDescriptors {
  int stderr_target = -1;
  int channel = -1;                             // named by HOLDFAST_CHANNEL_FD; -1: none
  std::vector<int> from_three = {};             // 3, 4, ... in the child
  std::vector<std::string> pid_variables = {};  // set to the child's own pid (LISTEN_PID)
};

class ProcessLauncher {
 public:
  // Returns once the new program runs, or with why it does not: then no process is left behind.
  Result<LaunchedProcess> launch(const LaunchPlan& plan, const LaunchDescriptors& descriptors);
  Result<LaunchedProcess> launch(const LaunchPlan& plan, int channel, int stderr_target) {
    return launch(plan, LaunchDescriptors{stderr_target, channel});
  }

 private:
  // Boost.Process tells an execution context about each fork. This one has nothing in it, so the
  // child does not rebuild the supervisor's reactor only to throw it away in exec.
  boost::asio::io_context fork_context_{1};
};

}  // namespace holdfast::supervisor
