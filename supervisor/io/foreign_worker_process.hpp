// A process that does not know the control channel behind the interface of one that does: what the
// fleet sends is translated by supervisor/core/foreign_worker, and what the process does comes back
// as messages. One thread; callbacks never run inside send() or signal().
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "supervisor/core/foreign_options.hpp"
#include "supervisor/core/foreign_worker.hpp"
#include "supervisor/core/report.hpp"
#include "supervisor/io/einhorn_socket.hpp"
#include "supervisor/io/notify_socket.hpp"
#include "supervisor/io/prober.hpp"
#include "supervisor/io/worker_process.hpp"

namespace holdfast::supervisor {

struct ForeignSetup {
  WorkerId worker;
  WorkerProtocol protocol = WorkerProtocol::Systemd;
  Readiness readiness = {};
  std::optional<ProbeTarget> probe = {};
  Millis probe_for{0};  // asked again and again for so long after it was well once
  std::optional<Millis> watchdog = {};
  std::unique_ptr<NotifySocket> notify = {};
  std::unique_ptr<EinhornSocket> einhorn = {};
  std::function<void(Report)> on_report;  // posted, never called from within
};

class ForeignWorkerProcess : public WorkerProcess {
 public:
  ForeignWorkerProcess(boost::asio::io_context& io, GenerationId generation,
                       LaunchedProcess launched, UniqueFd output, Callbacks callbacks,
                       ForeignSetup setup);
  ~ForeignWorkerProcess() override;

  void send(const ControlMessage& message, std::vector<UniqueFd> fds = {}) override;
  void signal(int number) override;  // TERM as the protocol says it

 private:
  void feed(const ForeignEvent& event);
  void perform(const ForeignSay& action);
  void perform(const ForeignAskToLeave& action);
  void perform(const ForeignProbe& action);
  void perform(const ForeignAwaitClosing& action);
  void perform(const ForeignFail& action);

  void await_readiness();
  void ask_until_connected(const ProbeTarget& target);
  void ask_again(Millis after);
  void ask();
  void probed(const std::string& failure);
  void said(const NotifyMessage& message);
  void lives();
  void warn_of_stranger(pid_t sender);
  void post_report(Report report);
  void ended(ExitStatus status);
  void after(Millis delay, std::function<void()> then);

  boost::asio::io_context& io_;
  ForeignSetup setup_;
  ForeignWorker worker_;
  // What is posted holds it weakly: nothing comes once this is destroyed.
  std::shared_ptr<Callbacks> calls_;
  Prober prober_;
  boost::asio::steady_timer silence_timer_;
  boost::asio::steady_timer timer_;  // readiness, then probes
  boost::asio::steady_timer closing_timer_;
  TimePoint probe_until_{};
  int failures_ = 0;
  bool closed_ = false;  // its "channel"
  std::string status_;
  TimePoint status_at_{};
  bool warned_of_stranger_ = false;
  bool warned_of_unused_ = false;
};

}  // namespace holdfast::supervisor
