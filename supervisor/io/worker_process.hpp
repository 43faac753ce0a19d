// What the supervisor holds of one worker: its process, its channel and its output. Owned by the
// supervisor's table; callbacks come on the thread of the io_context. Destroying it lets the
// process live.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <sys/types.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "shared/core/ids.hpp"
#include "shared/io/control_channel.hpp"
#include "supervisor/core/fleet_event.hpp"
#include "supervisor/io/process_launcher.hpp"
#include "supervisor/io/worker_output.hpp"

namespace holdfast::supervisor {

class WorkerProcess {
 public:
  struct Callbacks {
    ControlChannel::Callbacks channel;
    WorkerOutput::Callbacks output;
    std::function<void(ExitStatus)> on_exit;
  };

  // A foreign worker has no channel: `channel` is empty.
  WorkerProcess(boost::asio::io_context& io, GenerationId generation, LaunchedProcess launched,
                UniqueFd channel, UniqueFd output, Callbacks callbacks);
  virtual ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  GenerationId generation() const { return generation_; }
  pid_t pid() const { return pid_; }
  WorkerOutput& output() { return output_; }

  virtual void send(const ControlMessage& message, std::vector<UniqueFd> fds = {});
  virtual void signal(int number);  // to the process
  void kill_group();                // SIGKILL to it and to what it started

 private:
  void wait_exit();
  void reap();

  GenerationId generation_;
  pid_t pid_;
  boost::asio::posix::stream_descriptor pidfd_;
  std::optional<ControlChannel> channel_;
  WorkerOutput output_;
  std::function<void(ExitStatus)> on_exit_;
  bool reaped_ = false;
};

}  // namespace holdfast::supervisor
