// Where a server's own numbers go: the interface of facebookgo/stats, with httpdown's keys.
//
//   sum    serve                 a listener was given to the server
//          stop                  a stop began
//          kill                  stop_timeout struck: what was left is being cut
//          kill.conn.count       connections open at that moment
//          kill.timeout          kill_timeout struck: lines of the access log were given up, or a
//                                handler blocks the server's thread
//          conn.closed           once for each connection
//          listen.error          listen_and_serve() could not listen
//          listener.close.error  closing a listener failed
//   time   stop.time             from the stop to its end
//          kill.time             of it, from the kill on
//   avg    http-state.new, http-state.active, http-state.idle, http-state.total
//                                connections, once a minute; hijacked ones are in the total only
//
// Called on the server's thread, and on that of a caller of listen_and_serve() or stop(). A sink
// must not throw and should not block: requests wait for it.
#pragma once

#include <chrono>
#include <string_view>

#include "holdfast/export.h"

namespace holdfast::worker {

class HOLDFAST_API StatsSink {
 public:
  virtual ~StatsSink() = default;
  virtual void bump_sum(std::string_view key, double value) = 0;
  virtual void bump_avg(std::string_view key, double value) = 0;
  // The server itself has no key for it; it is here so that a service can share the sink.
  virtual void bump_histogram(std::string_view key, double value) = 0;
  virtual void bump_time(std::string_view key, std::chrono::nanoseconds took) = 0;
};

}  // namespace holdfast::worker
