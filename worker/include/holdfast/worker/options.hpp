// Every knob of a worker, with its default and the reason for it. Under a supervisor, stop_timeout,
// stop_timeout_max and kill_timeout are the supervisor's, because it is the one that kills; of the
// others, those that the operator gave to `holdfast run` beat these.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace holdfast::worker {

class ManualClock;  // clock.hpp
class StatsSink;    // stats.hpp

// HTTPS. Each process reads the files once, when it starts: a reload brings a new certificate, and
// one that cannot be used is a failed deploy.
struct TlsOptions {
  std::string certificate;             // a PEM file, the server's own first; empty: no TLS
  std::string key;                     // a PEM file, not encrypted
  std::vector<std::string> listeners;  // their names; empty: all
  // From the accept to the end of the handshake: as much as nginx and Go services give the head.
  std::chrono::milliseconds handshake_timeout{10'000};
};

struct Options {
  using Duration = std::chrono::milliseconds;

  // Alone, without a supervisor (under one, both come from it). serve() and listen_and_serve() use
  // the log only.
  std::string listen = "127.0.0.1:8080";  // [NAME=]ADDRESS, as for `holdfast run --listen`
  std::string access_log = "stdout";      // a path, stdout, stderr or off

  // Requests in flight get this long, then they are cut: about what users of Go and Kubernetes
  // expect.
  Duration stop_timeout{60'000};
  // A transfer that still moves bytes then may go on until this: large downloads should not lose to
  // a deadline that is meant for what hangs. Less than stop_timeout is the same as stop_timeout,
  // because an operator who plans a stop wants to know when it ends.
  Duration stop_timeout_max{0};
  // How long after that a stalled log reader may hold up the exit (a quarter is kept for the
  // report), or stop() waits for a handler that blocks the server's thread.
  Duration kill_timeout{60'000};
  // A draining worker owes a connection that has sent nothing its first request this long.
  Duration new_grace{1'000};
  // On a reload an idle connection may still send one request this long.
  Duration idle_grace{1'000};
  // The closes of idle connections after that are spread over at most this, and over a millisecond
  // for each where that is less: 10,000 clients that lose theirs in one instant come back in one.
  Duration idle_spread{2'000};
  // As idle_grace at a full stop, not spread: there nobody takes over and clients should move on.
  Duration stop_idle_grace{100};
  // Where the operator wants it (`holdfast run --idle handoff`), connections of plain HTTP go to
  // the next generation's workers in a reload instead of being closed. Not for a service that
  // remembers things of a connection in its process.
  bool handoff = true;
  // Serving without a supervisor; 0 = for ever.
  Duration orphan_timeout{600'000};

  // Accept, or first byte of a later request, to the end of the head: an honest client sends a head
  // in one packet, and browsers that connect ahead come back within seconds.
  Duration header_timeout{10'000};
  // Of waiting for a body, or for room to send: each must bring min_body_progress of the body or
  // its end, and move bytes of the response.
  Duration body_timeout{60'000};
  // A byte a minute would hold a connection for ever; no link that works is as slow as this.
  std::size_t min_body_progress = 1024;
  // nginx's: longer than most clients' own, so that they close first.
  Duration keep_alive_timeout{75'000};
  // What "Keep-Alive: timeout=N" tells clients, in whole seconds, so that they close first and no
  // request meets our close. Unset: 5 s less than keep_alive_timeout, which no network needs, and
  // nothing where that is below 1 s. 0 = never said. Not below keep_alive_timeout:
  // std::invalid_argument in the server's constructor.
  std::optional<Duration> keep_alive_hint;

  TlsOptions tls;

  // As large as what browsers and proxies send, cookies included.
  std::size_t max_head = 16 * 1024;
  // For plain handlers, which get the body whole; streaming ones have no limit.
  std::size_t max_body = 1024 * 1024;
  // Accepting pauses there; 0 = until the descriptors run out, which pauses too.
  std::size_t max_connections = 0;
  // 0 = unlimited: closing connections that work costs both sides.
  std::size_t requests_per_connection = 0;

  // Whose X-Forwarded-For is believed: networks ("10.0.0.0/8", "2001:db8::1"), and "unix:" for the
  // peers of Unix sockets. Nobody's, because whoever is believed can be anybody.
  std::vector<std::string> trusted_proxies;
  // Names of listeners whose connections begin with a PROXY header, version 1 or 2. Only a proxy
  // may reach them: the header is believed. None, because others are refused there.
  std::vector<std::string> proxy_protocol;
  // Where a client or a proxy says the request's id (Request::request_id). Empty: nobody does; what
  // is no field name is std::invalid_argument in the server's constructor.
  std::string request_id_header = "X-Request-ID";
  // Every response then says the id in the same header, for a client that reports an error.
  bool echo_request_id = false;

  // Both must outlive the server. Null: no numbers are kept, and time is the machine's.
  StatsSink* stats = nullptr;
  ManualClock* clock = nullptr;
};

}  // namespace holdfast::worker
