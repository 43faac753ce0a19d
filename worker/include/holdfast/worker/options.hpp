// Every knob of a worker, with its default and the reason for it. Under a supervisor the ones that
// the operator gave to `holdfast run` beat these.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>

namespace holdfast::worker {

struct Options {
  using Duration = std::chrono::milliseconds;

  // Alone, without a supervisor (under one, both come from it).
  std::string listen = "127.0.0.1:8080";  // [NAME=]ADDRESS, as for `holdfast run --listen`
  std::string access_log = "stdout";      // a path, stdout, stderr or off

  // Drain.
  Duration stop_timeout{60'000};  // requests in flight get this long, then they are cut: Go and
                                  // Kubernetes users expect about a minute
  Duration kill_timeout{60'000};  // how long a stalled log reader may hold up the exit
  Duration new_grace{
      1'000};  // a connection that has sent nothing is owed its first request this long
  Duration idle_grace{1'000};  // reload: an idle connection may still send one request this long
  Duration stop_idle_grace{
      100};  // the same at a full stop, where nobody takes over and clients should move on
  Duration orphan_timeout{600'000};  // serving without a supervisor; 0 = for ever

  // Slow clients.
  Duration header_timeout{
      10'000};  // first byte to end of head: an honest client sends a head in one packet
  Duration body_timeout{
      60'000};  // between two reads of a body, or two writes of a response, that moved bytes
  Duration keep_alive_timeout{
      75'000};  // nginx's: longer than most clients' own, so that they close first

  // Sizes.
  std::size_t max_head = 16 * 1024;  // as large as what browsers and proxies send, cookies included
  std::size_t max_body =
      1024 * 1024;  // for plain handlers, which get the body whole; streaming ones have no limit
  std::size_t max_connections =
      0;  // accepting pauses there; 0 = until the descriptors run out, which pauses too
  std::size_t requests_per_connection = 0;  // 0 = unlimited
};

}  // namespace holdfast::worker
