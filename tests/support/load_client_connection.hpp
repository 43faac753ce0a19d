// One connection of the load client: its socket, the request it is sending and the response it is
// reading. It performs I/O and reports what happened; what that means is for the engine.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "tests/support/load_client.hpp"
#include "tests/support/load_client_response.hpp"
#include "tests/support/load_client_socket.hpp"
#include "tests/support/load_client_tls.hpp"

namespace holdfast::testing {

struct Group;

struct Request {
  std::string text;      // head, and the body of a POST
  std::string expected;  // body of the response, where it is known
  bool verify = false;
  std::uint64_t filler = 0;  // bytes of an upload behind `text`
  std::uint64_t size() const { return text.size() + filler; }
};

struct Connection {
  enum class Phase : std::uint8_t {
    Waiting,     // between requests, with a socket or without
    Connecting,  // for a request
    Holding,     // connected, nothing sent on purpose
    InFlight,    // the request has begun
    Parked,      // Mode::Idle, after its request
    Retired,
  };
  enum class Io : std::uint8_t { Blocked, Advanced, Eof, Error };

  // Sends what `allowed` permits; Blocked also when there is nothing to send.
  Io send_some();
  // Reads once into `scratch` and feeds the response.
  Io receive(std::span<char> scratch);
  Idle probe() { return tls ? tls->probe() : probe_idle(socket.get()); }

  bool all_sent() const { return sent == request.size(); }
  bool reused() const { return served > 0; }

  Group* group = nullptr;
  UniqueFd socket;
  std::unique_ptr<TlsClient> tls;  // over the socket, if at all
  Phase phase = Phase::Waiting;
  std::uint32_t index = 0;
  std::uint32_t epoch = 0;   // of the socket: tells stale epoll events
  std::uint32_t ticket = 0;  // of the timer: tells cancelled ones
  std::uint32_t served = 0;  // responses on this socket
  std::uint64_t serial = 0;  // of the request
  Request request;
  ResponseReader response;
  std::uint64_t sent = 0;
  std::uint64_t allowed = 0;  // bytes that the pace lets out so far
  bool extra_bytes = false;   // behind the response
  bool short_read = false;    // the last read emptied the socket
  int error = 0;              // of the last failed call
  TimePoint connect_started;
  TimePoint clock_started;  // where its latency begins
  TimePoint progressed;
};

}  // namespace holdfast::testing
