// A worker for services that bring their own HTTP server, or no HTTP at all: listeners and orders
// come from the supervisor (HOLDFAST_CHANNEL_FD is set), or, alone, from WorkerSettings::listen and
// TERM. The service accepts, serves and closes; Worker says when.
//
//   holdfast::worker::Worker worker;
//   worker.on_accept([&] { ... begin, or begin again, to accept from worker.listeners() ... });
//   worker.on_pause([&] { ... stop accepting, keep the listeners ... });
//   worker.on_close_listeners([&](bool accept_queued) { ... the last accepts, then close ... });
//   worker.start_thread();   // or dispatch() whenever fd() is readable
//   worker.ready();
//   return worker.wait();
//
// The service tells connections() of each connection it accepts, and the drain ends by itself when
// the last one is gone. One that was accepted before the listeners were closed must be open()ed
// before on_close_listeners returns, or in the same turn of the loop that dispatches.
//
// One Worker a process. Any thread may call anything, except dispatch() and wait(), which belong to
// one. Callbacks are set before the first dispatch() and run inside it; they may call any other
// member.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/export.h"
#include "holdfast/worker/access_entry.hpp"
#include "holdfast/worker/connection_tracker.hpp"
#include "holdfast/worker/taken_connection.hpp"

namespace holdfast::worker {

// What options.hpp has for Server, as far as it is not about HTTP; the reasons are there.
struct WorkerSettings {
  using Duration = std::chrono::milliseconds;

  // Alone: [NAME=]ADDRESS as for `holdfast run --listen`, and a path, stdout, stderr or off.
  std::vector<std::string> listen = {"127.0.0.1:8080"};
  std::string access_log = "stdout";

  // False: the service keeps its own book, and calls drained() when its last connection is gone.
  bool track_connections = true;

  // True: where the operator wants it (`holdfast run --idle handoff`), a reload moves connections
  // to the next generation. The service gives them by Connection::hand_off() and takes them by
  // on_connection(). Off, because a service that does neither would only be offered them.
  bool handoff = false;

  // Under a supervisor its own values replace these.
  Duration stop_timeout{60'000};
  Duration kill_timeout{60'000};
  Duration new_grace{1'000};
  Duration idle_grace{1'000};
  Duration idle_spread{2'000};
  Duration stop_idle_grace{100};
  Duration orphan_timeout{600'000};
};

// A bound, listening, nonblocking socket. It is the service's from the start: in on_close_listeners
// it closes each one once. NEVER shutdown() it: that would stop the socket for every process that
// shares it, the supervisor included. Nor clear O_NONBLOCK, for the same reason: another worker may
// take the connection that woke this one, and accept(2) must then give EAGAIN. Before the close,
// take it out of every epoll set (epoll(7), Q6).
struct WorkerListener {
  std::string name;
  std::string address;  // with its real port
  int fd = -1;
};

struct DrainCounts {
  std::uint64_t served = 0;       // requests answered since the drain began
  std::uint64_t closed_idle = 0;  // connections closed between requests, or before the first
  std::uint64_t cut = 0;          // connections ended with a request in flight
};

class HOLDFAST_API Worker {
 public:
  using Connection = ConnectionTracker::Connection;

  // Takes the listeners: from the supervisor, waiting at most 10 s for them, or by binding.
  // Installs handlers for TERM (alone: INT and USR1 too) where the service has none, and ignores
  // PIPE. Throws std::runtime_error: "cannot bind 127.0.0.1:80: Permission denied".
  explicit Worker(WorkerSettings settings = {});
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  const std::vector<WorkerListener>& listeners() const;
  bool supervised() const;           // at the start
  std::uint64_t generation() const;  // 0 when run alone
  std::uint64_t worker() const;

  // Begin to accept, for the first time or again after a pause. May come while accepting already.
  void on_accept(std::function<void()> callback);
  // Stop accepting, but keep the listeners open, and serve what is there. Without this callback
  // the worker accepts beside the new generation until that is committed; so it does where the new
  // one lacks a listener that this one has.
  void on_pause(std::function<void()> callback);
  // Stop accepting for good, and close every listener. With `accept_queued`, first accept what
  // waits in their queues (Worker::accept until it gives -1): nobody else will answer those
  // clients. When it returns the listeners are closed.
  void on_close_listeners(std::function<void(bool accept_queued)> callback);
  // The service will stop soon (`holdfast run --lame-duck`): answer readiness probes with 503 and
  // say "Connection: close" from now on, and serve and accept as before. A stop without a lame duck
  // begins with on_drain.
  void on_lame_duck(std::function<void()> callback);
  // The drain has begun. `reason` is reload, shutdown, scale, recycle, rollback, orphaned or
  // operator. From now on every response should say "Connection: close", and idle connections
  // should go (connections() sees to that), but for those that should_move(). Requests in flight
  // have until `deadline`. May come again with another reason; the deadline only ever comes nearer.
  // After it, and not before, comes on_close_listeners; with reason shutdown, and where nobody has
  // a listener after this worker, that is later, and accepting goes on till then.
  void on_drain(
      std::function<void(std::string_view reason, std::chrono::steady_clock::time_point deadline)>
          callback);
  // With WorkerSettings::handoff: a connection that a worker of an older generation gave, or one of
  // this worker's own that nobody took. open() it before this returns, and serve it like an
  // accepted one that has already brought `pending`.
  void on_connection(std::function<void(TakenConnection connection)> callback);
  // The deadline struck: end what is left, now. connections() has already shut its ones down. When
  // it returns the worker is finished.
  void on_cut(std::function<void()> callback);

  // The service can serve: on_accept comes when the supervisor wants it to, alone at once.
  void ready();
  // Leave now, as for TERM. For services with signal handlers of their own.
  void drain();
  // No connection is left; after on_drain. Only without track_connections.
  void drained(DrainCounts counts = {});

  // Idle connections leave by it, the supervisor's statistics come from it, and the drain ends when
  // it is empty.
  ConnectionTracker& connections();

  // Counts a response for the supervisor, which takes a new generation back that fails too often.
  void answered(int status);
  // As answered(), and writes its line to the access log, if there is one. The log is reopened,
  // flushed each second and at the end by dispatch(). Never waits for the disk or the log's reader
  // until 16 MiB are waiting.
  void log(const AccessEntry& entry);
  bool logs() const;  // there is an access log

  // A poll loop of the service's own: whenever fd() is readable, dispatch(). It never blocks
  // longer than the callbacks do, and returns false once the worker is finished. Nobody answers
  // the supervisor while it is not called: a service that hangs there is replaced.
  int fd() const;
  bool dispatch();
  // Or a thread of its own, where the callbacks run then. All signals are blocked in it.
  void start_thread();

  // Until finished: dispatches, or waits for the thread. Returns the exit code for main(): 0
  // drained, 1 the supervisor left before this worker had served.
  int wait();

  // accept4(2) with SOCK_CLOEXEC for a listener: the connection (nonblocking if so wanted), or -1
  // with errno: EAGAIN when nothing waits, EMFILE and the like when it has to. Connections that
  // died in the queue are passed over.
  static int accept(int listener, bool nonblocking = true);

 private:
  class HOLDFAST_LOCAL Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::worker
