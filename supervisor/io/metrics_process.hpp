// holdfast-metrics as a child: started with its listening socket, one end of a socketpair and a
// pipe for its stderr, and nothing else; started again when it dies, with the back-off of workers.
// Nothing that becomes of it is in the way of the service. One thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "supervisor/core/options.hpp"
#include "supervisor/core/report.hpp"
#include "supervisor/core/respawn_policy.hpp"
#include "supervisor/io/listener_set.hpp"
#include "supervisor/io/worker_output.hpp"

namespace holdfast::supervisor {

// Where it listens and what is run: found before anything else starts, so that a wrong address or
// a half-installed holdfast is an error of `run`.
struct MetricsPlan {
  std::string program;
  uid_t uid;  // whom it becomes when we are root
  gid_t gid;
  ListenerSet listeners;
};
Result<std::string> find_metrics_program();
// REQUIRES: options.metrics.
Result<MetricsPlan> plan_metrics(const Options& options);

class MetricsProcess {
 public:
  struct Callbacks {
    // Our end of a new socketpair; what comes over it may only read.
    std::function<void(UniqueFd end)> on_connected;
    std::function<void(const Report&)> on_report;
  };

  MetricsProcess(boost::asio::io_context& io, MetricsPlan plan, Callbacks callbacks);
  ~MetricsProcess();  // kills what is left of it
  MetricsProcess(const MetricsProcess&) = delete;
  MetricsProcess& operator=(const MetricsProcess&) = delete;

  pid_t pid() const { return pid_; }  // -1: it does not run

  void start();
  // The service is over: refuses new clients, lets it answer those it has, and kills it when it
  // takes longer. Blocks; the io_context need not run.
  void finish(Millis timeout);

 private:
  Result<void> spawn();
  void wait_exit();
  void on_exit();
  void retry(Report report, std::optional<Clock::duration> ran_for);

  boost::asio::io_context& io_;
  MetricsPlan plan_;
  Callbacks callbacks_;
  RespawnHistory history_;
  boost::asio::steady_timer timer_;
  boost::asio::posix::stream_descriptor pidfd_;
  std::optional<WorkerOutput> output_;
  UniqueFd hang_up_;  // a copy of our end
  pid_t pid_ = -1;
  TimePoint started_at_{};
};

}  // namespace holdfast::supervisor
