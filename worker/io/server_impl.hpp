// The shell around the worker's machine: signals, the control channel and the one timer feed it
// events; its actions become calls on Acceptors, Sessions and the log. It decides nothing. One
// thread, but for what server_threads.cpp does for others.
//   server.cpp        run() and the machine    server_threads.cpp    serve(), stop() and the like
//   server_drain.cpp  how it leaves            server_stats.cpp      Options::stats
//   server_link.cpp   the supervisor           server_interface.cpp  the public face
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include "holdfast/worker/server.hpp"
#include "shared/core/result.hpp"
#include "shared/io/control_channel.hpp"
#include "worker/core/lifecycle.hpp"
#include "worker/io/acceptors.hpp"
#include "worker/io/access_log.hpp"
#include "worker/io/asio_handoff_loop.hpp"
#include "worker/io/handoff_giving.hpp"
#include "worker/io/handoff_taking.hpp"
#include "worker/io/loop_clock.hpp"
#include "worker/io/server_status.hpp"
#include "worker/io/sessions.hpp"

namespace holdfast::worker {

Failure to_failure(const Error& error);

class Server::Impl {
 public:
  explicit Impl(Options options);
  ~Impl();

  void select(Selector selector) { selector_ = std::move(selector); }
  void handle(Handler handler);
  void on_accepting(std::function<void()> hook) { accepting_hook_ = std::move(hook); }
  void on_lame_duck(std::function<void()> hook) { lame_duck_hook_ = std::move(hook); }
  void on_handoff(GiveHook give, TakeHook take) {
    sessions_.hooks.give_state = std::move(give);
    sessions_.hooks.take_state = std::move(take);
  }
  void on_connection_state(ConnectionHook hook) { sessions_.hooks.on_state = std::move(hook); }
  void default_header(std::string name, std::string value) {
    sessions_.set_default_header(std::move(name), std::move(value));
  }
  int run();

  std::optional<Failure> serve(UniqueFd listener, std::string name);
  std::optional<Failure> listen_and_serve(const std::string& address);
  std::optional<Failure> wait() { return status_.wait_accepting(); }
  StopResult stop();
  void request_stop();
  std::optional<Failure> reopen_log();

  boost::asio::io_context& io() { return io_; }
  bool ready() const { return ready_; }
  const Identity& identity() { return sessions_.requests().identity(); }
  const std::vector<std::string>& addresses() const { return addresses_; }

 private:
  void feed(const WorkerEvent& event);
  void perform(const WorkerAction& action);
  void accept();
  void end_readiness();
  void finish();
  void cut();
  void cut_stuck();
  void count_cut(std::size_t connections);
  void stop_listening(const StopListening& how);
  void arm_timer();
  void begin_drain(const BeginDrain& how);
  void wait_for_signals();

  Result<void> load_tls();
  Result<void> start();
  Result<void> start_alone();
  void prepare_alone();
  void use_policy();
  void start_supervised(UniqueFd channel);
  void on_message(const ControlMessage& message, std::vector<UniqueFd> fds);
  void on_welcome(const Welcome& welcome, std::vector<UniqueFd> fds);
  void say(const ControlMessage& message);
  void report_stats_soon();

  // server_threads.cpp
  Result<void> add_listener(UniqueFd listener, std::string name, std::string address);
  Result<void> start_thread();
  void serve_on_thread();
  void stop_on_thread();

  // server_stats.cpp
  void bump(std::string_view key, double value = 1);
  void bump_times();
  void start_averages();
  void bump_averages();

  Options options_;
  boost::asio::io_context io_{1};
  LoopClock clock_;
  ServerStatus status_;
  Handler handler_;
  Selector selector_;
  std::function<void()> accepting_hook_;
  std::function<void()> lame_duck_hook_;
  AccessLog log_;
  std::optional<TlsContext> tls_;
  Sessions sessions_;
  Acceptors acceptors_;
  AsioHandoffLoop handoff_loop_;
  HandoffGiving giving_;
  HandoffTaking taking_;
  std::optional<ControlChannel> channel_;
  std::optional<boost::asio::signal_set> signals_;
  LoopTimer timer_;
  LoopTimer stats_timer_;    // what the supervisor is told
  LoopTimer average_timer_;  // what Options::stats is told
  Lifecycle lifecycle_;
  std::vector<std::string> addresses_;
  std::atomic<bool> ready_{false};  // any thread reads it
  bool service_ends_ = false;       // and ready_ stays false
  UniqueFd own_stderr_;
  int exit_code_ = 0;
  StopResult result_;
  std::optional<TimePoint> stop_began_;
  std::optional<TimePoint> kill_began_;

  // Of the threads that call serve(), stop() and the like
  std::mutex control_;
  std::thread thread_;
  bool stopping_ = false;                   // no listener is taken any more
  std::atomic<Millis::rep> stop_limit_{0};  // how long stop() waits at most
  std::atomic<bool> hurry_{false};          // the destructor waits: nothing gets time any more
};

}  // namespace holdfast::worker
