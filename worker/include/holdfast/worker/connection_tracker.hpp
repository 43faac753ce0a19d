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
#include <string_view>

#include "holdfast/export.h"
#include "holdfast/worker/taken_connection.hpp"

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
    // A drain is under way, and workers of the next generation take connections: hand_off() this
    // one as soon as no request of it is in flight, instead of waiting for the next.
    bool should_move() const;
    // Gives the connection to the next generation, between two requests, before the first, or with
    // a part of a head read; `pending` are the bytes that were read and not answered, `state` is
    // what the next one is to know beside. The service has stopped reading it, and no call of its
    // own is under way there. True: it is the library's, as after closed(); take your descriptor
    // out of every epoll set and close(2) it, but never shutdown() it: that would end the
    // connection for its next owner. If nobody takes it, it comes back by Worker::on_connection.
    // False: nothing has happened (no such drain any more; more than 32 KiB pending, or 4 KiB of
    // state; no descriptor, or no listener known); serve it on.
    bool hand_off(std::string_view pending = {}, std::string_view state = {});
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
  // the server itself can end it. `listener`: from which, by its name; needed for hand_off() where
  // there are several.
  Connection open(int fd = -1, std::string_view listener = {});
  // One that came by Worker::on_connection.
  Connection open(const TakenConnection& taken);

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
  // Until it is called with nothing, connections should_move(), and `take` gets those that
  // hand_off(), on whatever thread: true makes it the owner of the descriptor, a duplicate.
  void hand_off_by(std::function<bool(TakenConnection given)> take);
  // Lets go those whose grace is over. When to call it: at next_check(), by the steady clock.
  void check();
  std::optional<TimePoint> next_check() const;
  // shutdown(SHUT_RDWR) for all that are left, so that whoever reads or writes there is woken.
  void cut();

 private:
  class HOLDFAST_LOCAL Impl;
  HOLDFAST_LOCAL Connection enter(std::unique_ptr<Connection::Node> node);
  std::unique_ptr<Impl> impl_;
};

}  // namespace holdfast::worker
