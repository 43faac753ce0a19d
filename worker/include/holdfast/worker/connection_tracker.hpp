// The idle bookkeeping of a drain, for servers that are not ours. Tell it what each connection
// does; in a drain it lets the idle ones go when their grace is over, without a callback into the
// server: shutdown(SHUT_RD) on an idle socket makes any server read the end of the stream, and
// close as if the client had left. A request that has arrived by then is read first.
//
//   auto connection = worker.connections().open(fd);     // accepted
//   connection.active();                                 // a request has begun to arrive
//   ... if (connection.should_close()) response.set("Connection", "close");
//   connection.answering();                              // before the response is written
//   connection.idle();                                   // the response is out, another may come
//   connection.closed();                                 // before close(fd)
//
// Any thread may call anything; no call blocks longer than a few system calls. One connection's
// calls come from one thread at a time. The tracker outlives its connections.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "holdfast/export.h"

namespace holdfast::worker {

class HOLDFAST_API ConnectionTracker {
 public:
  using Duration = std::chrono::milliseconds;
  using TimePoint = std::chrono::steady_clock::time_point;

  struct Counts {
    std::size_t connections = 0;
    std::size_t active = 0;         // with a request in flight
    std::uint64_t requests = 0;     // begun, ever
    std::uint64_t closed_idle = 0;  // let go by the drain: idle, or before their first byte
    std::uint64_t cut = 0;          // ended by cut() with a request in flight
  };

  // One connection. Its end is closed().
  class HOLDFAST_API Connection {
   public:
    Connection() = default;
    Connection(Connection&& other) noexcept;
    Connection& operator=(Connection&& other) noexcept;
    ~Connection() { closed(); }

    // For one that was opened before its socket was known.
    void set_fd(int fd);
    // The first byte of a request was read, or as soon afterwards as the server can tell: on TCP,
    // bytes that came in since the last answering() or idle() are seen in the socket too.
    void active();
    // The request was read whole, and the response is about to be written: what comes in from now
    // on is the next request. Without it, that is what comes in after idle(), and the beginning of
    // a request that a quick client sends before is taken for silence until active().
    void answering();
    // The response is written. Harmless after the last one.
    void idle();
    // The response whose head is written now should say "Connection: close".
    bool should_close() const;
    // Call it before the descriptor is closed, or handed to whoever closes it: the tracker never
    // touches the descriptor afterwards. Does nothing the second time.
    void closed();

   private:
    friend class ConnectionTracker;
    struct HOLDFAST_LOCAL Node;
    ConnectionTracker* tracker_ = nullptr;
    Node* node_ = nullptr;
  };

  ConnectionTracker();
  ~ConnectionTracker();
  ConnectionTracker(const ConnectionTracker&) = delete;
  ConnectionTracker& operator=(const ConnectionTracker&) = delete;

  // A connection that was accepted. Without a descriptor it is counted and waited for, but only
  // the server itself can end it.
  Connection open(int fd = -1);

  bool draining() const;
  Counts counts() const;

  // What drives it; a Worker does all of this for its own one.
  // ------------------------------------------------------------------------------------------------

  // `attention` is called, on whatever thread, when a drain has left no connection, when
  // next_check() may have come nearer, and once after each counts() when something has changed. It
  // must not call back into the tracker.
  void on_attention(std::function<void()> attention);
  // From now on should_close() is true for all.
  void begin_lame_duck();
  // A connection that has sent nothing is waited for `new_grace`, an idle one `idle_grace`, and up
  // to `idle_spread` longer, so that not all of them end in one instant. A second call only
  // shortens what is left.
  void begin_drain(Duration new_grace, Duration idle_grace, Duration idle_spread = Duration{0});
  // Lets go those whose grace is over. When to call it: at next_check(), by the steady clock.
  void check();
  std::optional<TimePoint> next_check() const;
  // shutdown(SHUT_RDWR) for all that are left, so that whoever reads or writes there is woken.
  void cut();

 private:
  class HOLDFAST_LOCAL Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::worker
