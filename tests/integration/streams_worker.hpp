// A worker on the public API whose handlers use one power of the response writer each, for
// takeover_test, streaming_test, downloads_test and uploads_test. Tests talk to its handlers by
// gates (GET /open?NAME lets whoever waits for NAME go on) and read what they saw at /counts.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "holdfast/worker/asio.hpp"

namespace holdfast::testing {

namespace asio = boost::asio;
using worker::Handler;
using worker::Hijacked;
using worker::Request;
using worker::ResponseWriter;

struct StreamsWorker {
  explicit StreamsWorker(worker::Server& own) : server(own) {}

  // Returns once the gate is open; gates stay open.
  asio::awaitable<void> wait(std::string_view gate) {
    if (open.contains(gate)) co_return;
    const auto timer = std::make_shared<asio::steady_timer>(worker::io_context(server),
                                                            asio::steady_timer::time_point::max());
    waiting[std::string(gate)].push_back(timer);
    boost::system::error_code opened;
    co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, opened));
  }
  void open_gate(const std::string& gate) {
    open.insert(gate);
    for (const auto& timer : waiting[gate]) timer->cancel();
    waiting.erase(gate);
  }

  void add_responses();  // streams_worker_responses.cpp
  void add_takeovers();  // streams_worker_takeovers.cpp

  worker::Server& server;
  std::map<std::string, Handler, std::less<>> routes;
  std::map<std::string, long> counts;  // what handlers saw, by name
  std::set<std::string, std::less<>> open;
  std::map<std::string, std::vector<std::shared_ptr<asio::steady_timer>>> waiting;
};

}  // namespace holdfast::testing
