// Starts a foreign worker: its sockets made, its environment and arguments written, its listeners
// put at 3 and up.
#pragma once

#include <memory>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "shared/core/result.hpp"
#include "supervisor/core/foreign_environment.hpp"
#include "supervisor/io/foreign_worker_process.hpp"
#include "supervisor/io/launch_plan.hpp"
#include "supervisor/io/process_launcher.hpp"

namespace holdfast::supervisor {

struct ForeignLaunch {
  const LaunchPlan& plan;
  ForeignOptions options;
  GenerationId generation;
  WorkerId worker;
  std::vector<ListenerInfo> listeners;
  std::vector<int> descriptors = {};  // one for each; kept by the caller
  std::size_t child_index = 0;
  Millis probation{0};
  Millis heartbeat_timeout{0};  // 0: no watchdog
};

struct ForeignCalls {
  // Made once the process runs, because output lines carry its pid.
  std::function<WorkerProcess::Callbacks(pid_t)> worker;
  std::function<void(Report)> on_report;
};

Result<std::unique_ptr<WorkerProcess>> launch_foreign(boost::asio::io_context& io,
                                                      ProcessLauncher& launcher,
                                                      const ForeignLaunch& launch,
                                                      ForeignCalls calls);

}  // namespace holdfast::supervisor
