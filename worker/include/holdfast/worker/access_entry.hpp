// One request for the access log, as a server of the service's own knows it. Whatever the bytes,
// it becomes one valid JSON line of at most 4,096 bytes; docs/access_log.md has the fields.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace holdfast::worker {

// Views only; they must live until the call returns. What is empty or 0 is unknown, and absent.
struct AccessEntry {
  std::chrono::steady_clock::time_point started{};  // first byte of the request; absent: now
  std::string_view protocol = "HTTP/1.1";
  std::string_view method;
  std::string_view url;  // as received
  std::string_view host;
  std::string_view user_agent;
  std::string_view referer;
  int status = 0;
  std::uint64_t request_size = 0;  // bytes of the bodies
  std::uint64_t response_size = 0;
  std::uint64_t bytes_received = 0;  // bytes on the wire
  std::uint64_t bytes_sent = 0;
  std::string_view remote_address;  // "192.0.2.1"
  std::uint16_t remote_port = 0;
  std::string_view request_id;  // the client's X-Request-ID; a bad or empty one is replaced
  std::string_view listener;
  std::uint64_t connection = 0;           // a number of its own for each connection
  std::uint64_t connection_requests = 0;  // which request of it, from 1
  // ok, client_aborted, timeout, cut, handler_error, rejected or hijacked.
  std::string_view completion = "ok";
  std::span<const std::pair<std::string_view, std::string_view>> fields = {};  // added as texts
};

}  // namespace holdfast::worker
