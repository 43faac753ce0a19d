// The demo's answers. Every one carries X-Generation and X-Worker, so that a client sees who served
// it.
#pragma once

#include <string>

#include <boost/asio/steady_timer.hpp>

#include "holdfast/worker/asio.hpp"
#include "holdfast/worker/server.hpp"
#include "worker/demo/demo_options.hpp"
#include "worker/demo/websocket.hpp"

namespace holdfast::demo {

class Routes {
 public:
  Routes(worker::Server& server, const DemoOptions& options);

  const worker::Handler& choose(const worker::Request& request) const;

  // The server accepts: it knows who it is, and time counts towards --crash-after and
  // --answer-500-after.
  void start();

 private:
  using Awaitable = boost::asio::awaitable<void>;

  void answer(const worker::Request& request, worker::ResponseWriter& response);
  Awaitable answer_later(const worker::Request& request, worker::ResponseWriter& response);
  Awaitable stream(const worker::Request& request, worker::ResponseWriter& response);
  Awaitable upload(const worker::Request& request, worker::ResponseWriter& response);
  Awaitable events(const worker::Request& request, worker::ResponseWriter& response);
  Awaitable wait(std::chrono::milliseconds duration);

  worker::Server& server_;
  const DemoOptions& options_;
  worker::Handler plain_;
  worker::Handler later_;
  worker::Handler stream_;
  worker::Handler upload_;
  worker::Handler events_;
  worker::Handler websocket_;
  worker::Handler file_;
  boost::asio::steady_timer crash_;
  boost::asio::steady_timer fail_;
  bool failing_ = false;
  std::string generation_text_;
  std::string pid_text_;
};

}  // namespace holdfast::demo
