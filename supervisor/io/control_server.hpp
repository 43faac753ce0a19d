// The control socket's server: who comes in, how many, and who of them follows events. What they
// say is for somebody else to understand (operators.hpp). One thread.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include "supervisor/core/report.hpp"
#include "supervisor/io/control_client.hpp"
#include "supervisor/io/control_socket_file.hpp"

namespace holdfast::supervisor {

class ControlServer {
 public:
  struct Callbacks {
    std::function<void(ControlClient&, std::string_view line)> on_line;
    std::function<void(const Report&)> on_report;  // never within a call of ours
  };

  ControlServer(boost::asio::io_context& io, Callbacks callbacks, ControlLimits limits = {});
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

  void listen(ControlSocketFile socket);
  // Makes the socket anew where somebody removed its file: nobody would find us any more. True when
  // it had to.
  Result<bool> restore(const std::string& group);
  // One end of a socketpair(2), of a program that we trust as far as `access` goes.
  void serve(UniqueFd end, ControlAccess access);

  // To those who follow; `output`: what a worker printed.
  void broadcast(std::string_view line, bool output);

  // The end of the run: nobody finds us any more, those who wait get what is theirs. Connections
  // stay open, because their end tells clients that this process is gone.
  void finish(Millis timeout);

  std::size_t clients() const { return clients_.size(); }

 private:
  void wait();
  void accept_some();
  void adopt(UniqueFd socket, ControlPeer peer, ControlAccess access);
  std::optional<std::string> refusal(const ControlPeer& peer) const;
  void report_later(const char* event, const ControlPeer& peer, const std::string& reason);

  boost::asio::io_context& io_;
  Callbacks callbacks_;
  ControlLimits limits_;
  std::optional<ControlSocketFile> socket_;
  boost::asio::posix::stream_descriptor watch_;
  boost::asio::steady_timer pause_;
  std::list<std::shared_ptr<ControlClient>> clients_;
  TimePoint last_refusal_{};
};

}  // namespace holdfast::supervisor
