// An HTTP/1.1 server that drains: the whole worker in one object. One io_context, one thread, on
// which handlers and hooks run.
//
// As a program of its own, run(): under a supervisor (HOLDFAST_CHANNEL_FD is set) it takes its
// listeners from there and follows its word; alone it binds Options::listen, and TERM or INT stops
// it gracefully.
//
//   holdfast::worker::Server server;
//   server.handle([](const Request&, ResponseWriter& response) { response.write("Hello, world!");
//   }); return server.run();
//
// Inside a program with threads and signals of its own, serve() or listen_and_serve(), wait() and
// stop(): the server has a thread, touches no signal of the process and no state outside itself, so
// there may be many of them.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/export.h"
#include "holdfast/worker/failure.hpp"
#include "holdfast/worker/handler.hpp"
#include "holdfast/worker/options.hpp"

namespace holdfast::worker {

// How a stop went.
struct StopResult {
  std::optional<Failure> failure;  // of closing a listener, or why the end could not be awaited
  bool killed = false;             // stop_timeout struck, and what was left was cut
  std::uint64_t killed_connections = 0;  // open at that moment
  std::uint64_t served = 0;              // requests answered since the stop began
  std::uint64_t closed_idle = 0;         // connections closed between requests
  std::uint64_t cut = 0;             // requests and hijacked streams ended before they were done
  std::uint64_t handlers_left = 0;   // streaming handlers that had not called done; none runs on
  std::uint64_t log_lines_lost = 0;  // given up at kill_timeout, or before when the log was full
};

// Go's net/http ConnState.
enum class ConnectionState : std::uint8_t { New, Active, Idle, Hijacked, Closed };
HOLDFAST_API std::string_view to_string(ConnectionState state);

// Views are valid for the call they are passed to.
struct ConnectionInfo {
  std::uint64_t number = 0;         // of those that this server accepted or took, from 1
  std::string_view remote_address;  // as Request::remote_address()
  std::uint16_t remote_port = 0;
  std::string_view listener;
  std::chrono::milliseconds age{0};  // since it was accepted, by this process or an older one
};

class HOLDFAST_API Server {
 public:
  explicit Server(Options options = {});
  // Cuts what is left, without grace: stop() first. Not on the server's own thread.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Before it serves
  // --------------------------------------------------------------------------------------

  // One handler for every request, or a choice by head.
  void handle(Handler handler);
  void select(Selector selector);

  // On every response from now on, the server's own 4xx and 5xx included. Throws as
  // ResponseWriter::header does. The same name again replaces the value.
  void default_header(std::string name, std::string value);

  // Called once, when the server has begun to accept.
  void on_accepting(std::function<void()> hook);

  // Called once, when ready() turns false: the time to take the service out of a registry.
  void on_lame_duck(std::function<void()> hook);

  // Called at each change of a connection's state; first with New and New, last with Closed. While
  // it is half-closed and the server reads on for the client's sake, it is in its last state. What
  // the hook throws is dropped.
  using ConnectionHook =
      std::function<void(const ConnectionInfo&, ConnectionState from, ConnectionState to)>;
  void on_connection_state(ConnectionHook hook);

  // For a service that remembers things of a connection, under ConnectionInfo::number, when
  // `holdfast run --idle handoff` moves it to a worker of the next generation: what `give` returns,
  // at most 4 KiB, `take` gets there, before the connection's next request. The two processes run
  // different versions of the service, so the text should say which it is of. Nothing, or more than
  // that: this connection does not move. It may be asked for again when nobody took it; that it has
  // gone is ConnectionState::Closed. On the server's thread; what they throw counts as nothing.
  using GiveHook = std::function<std::optional<std::string>(const ConnectionInfo&)>;
  using TakeHook = std::function<void(const ConnectionInfo&, std::string_view state)>;
  void on_handoff(GiveHook give, TakeHook take);

  // As a program
  // ------------------------------------------------------------------------------------------

  // Serves on this thread until drained. Returns the exit code for main(): 0 drained, 1 after an
  // error, which is on stderr. Call it once, and none of serve() and listen_and_serve().
  int run();

  // Inside a program: any thread
  // --------------------------------------------------------------------------

  // Accepts from `listener`, a listening TCP or Unix stream socket, and owns it from now on, a
  // failure included. It is made nonblocking, for all who share it. Returns at once; may be called
  // again for more listeners.
  std::optional<Failure> serve(int listener, std::string name = "http");

  // The same for a socket of its own. `address` is [NAME=]ADDRESS as for `holdfast run --listen`;
  // empty means `:80`, or `:443` with TLS.
  std::optional<Failure> listen_and_serve(const std::string& address = {});

  // Returns when the server accepts no more: nothing after a stop or if it never did, else why
  // accepting from a listener failed. It goes on serving its connections, and its other listeners,
  // until stop().
  std::optional<Failure> wait();

  // Stops gracefully: no listener any more; requests in flight get stop_timeout, connections that
  // have sent nothing new_grace, idle ones stop_idle_grace, hijacked streams are told and awaited.
  // What is left then is cut, but for transfers that still move: those at stop_timeout_max. Returns
  // when all is over, and the same to every caller; at the latest kill_timeout after that, with a
  // failure (std::errc::timed_out) if a handler blocks the server's thread. On that thread it
  // cannot wait: it does what request_stop() does and returns a failure
  // (std::errc::resource_deadlock_would_occur).
  StopResult stop();

  // Begins to stop and returns at once. Works for run() too; under a supervisor as a TERM to this
  // worker does.
  void request_stop();

  // Opens Options::access_log anew, after it was renamed. A failure keeps the old file. Not under a
  // supervisor, which opens logs for its workers.
  std::optional<Failure> reopen_log();

  // What a readiness probe should be told: true while the service accepts and will go on. False
  // from the lame duck on (`holdfast run --lame-duck`), or from the stop where there is none; a
  // reload changes nothing, although this worker leaves. Any thread.
  bool ready() const;

  std::uint64_t generation() const;  // 0 before run() and when alone
  std::uint64_t worker() const;
  // Of the listeners, with real ports, in the order they were given; empty until run() has them.
  // Not while another thread adds one.
  const std::vector<std::string>& addresses() const;

 private:
  friend class AsioAccess;
  class HOLDFAST_LOCAL Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::worker
