// The shell around the worker's machine: signals, the control channel and the one timer feed it
// events; its actions become calls on Acceptors, Sessions and the log. It decides nothing. One
// thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include "holdfast/worker/server.hpp"
#include "shared/core/result.hpp"
#include "shared/io/control_channel.hpp"
#include "worker/core/lifecycle.hpp"
#include "worker/io/acceptors.hpp"
#include "worker/io/access_log.hpp"
#include "worker/io/sessions.hpp"

namespace holdfast::worker {

class Server::Impl {
 public:
  explicit Impl(Options options);

  void select(Selector selector) { selector_ = std::move(selector); }
  void handle(Handler handler);
  void on_accepting(std::function<void()> hook) { accepting_hook_ = std::move(hook); }
  void default_header(std::string name, std::string value) {
    sessions_.set_default_header(std::move(name), std::move(value));
  }
  int run();

  boost::asio::io_context& io() { return io_; }
  Identity identity() const { return sessions_.identity(); }
  const std::vector<std::string>& addresses() const { return addresses_; }

 private:
  void feed(const WorkerEvent& event);
  void perform(const WorkerAction& action);
  void finish();
  void arm_timer();
  void begin_drain(DrainReason reason);
  void wait_for_signals();

  Result<void> load_tls();
  Result<void> start_alone();
  void start_supervised(UniqueFd channel);
  void on_message(const ControlMessage& message, std::vector<UniqueFd> fds);
  void on_welcome(const Welcome& welcome, std::vector<UniqueFd> fds);
  void take_logs(const std::vector<std::string>& names, std::vector<UniqueFd> fds);
  void say(const ControlMessage& message);
  static void report(std::string_view message);  // a line on stderr
  void report_stats_soon();

  Options options_;
  boost::asio::io_context io_{1};
  Handler handler_;
  Selector selector_;
  std::function<void()> accepting_hook_;
  AccessLog log_{io_};
  std::optional<TlsContext> tls_;
  Sessions sessions_;
  Acceptors acceptors_;
  std::optional<ControlChannel> channel_;
  boost::asio::signal_set signals_{io_};
  boost::asio::steady_timer timer_{io_};
  boost::asio::steady_timer stats_timer_{io_};
  bool stats_armed_ = false;
  Lifecycle lifecycle_;
  std::vector<std::string> addresses_;
  UniqueFd own_stderr_;
  int exit_code_ = 0;
};

}  // namespace holdfast::worker
