// An HTTP/1.1 server that drains: the whole worker in one object. Under a supervisor
// (HOLDFAST_CHANNEL_FD is set) it takes its listeners from there and follows its word; alone it
// binds Options::listen, and TERM or INT stops it gracefully. One io_context, one thread; handlers
// run on the thread that calls run().
//
//   holdfast::worker::Server server;
//   server.handle([](const Request&, ResponseWriter& response) { response.write("Hello, world!");
//   }); return server.run();
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "holdfast/export.h"
#include "holdfast/worker/handler.hpp"
#include "holdfast/worker/options.hpp"

namespace holdfast::worker {

class HOLDFAST_API Server {
 public:
  explicit Server(Options options = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // One handler for every request, or a choice by head. Call one of them before run().
  void handle(Handler handler);
  void select(Selector selector);

  // On every response from now on, the server's own 4xx and 5xx included. Throws as
  // ResponseWriter::header does. The same name again replaces the value.
  void default_header(std::string name, std::string value);

  // Called once, when the server has begun to accept.
  void on_accepting(std::function<void()> hook);

  // Serves until drained. Returns the exit code for main(): 0 drained, 1 after an error, which is
  // on stderr. Call it once.
  int run();

  std::uint64_t generation() const;  // 0 before run() and when run alone
  std::uint64_t worker() const;
  // Of the listeners, with real ports; empty until run() has them.
  const std::vector<std::string>& addresses() const;

 private:
  friend class AsioAccess;
  class HOLDFAST_LOCAL Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::worker
