// The request that a handler is given: views into the connection's buffers, valid until the handler
// is done (for a streaming handler: until it has called done). One thread; a handler never outlives
// its Request.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "holdfast/export.h"

namespace holdfast::worker {

class Exchange;

struct Field {
  std::string_view name;
  std::string_view value;
};

class HOLDFAST_API Request {
 public:
  explicit Request(Exchange& exchange) : exchange_(exchange) {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  std::string_view method() const;
  std::string_view target() const;  // as received: "/path?query"
  std::string_view path() const;    // the target up to '?', not decoded; of http://host/path: /path
  std::string_view query() const;   // behind '?', not decoded
  std::string_view host() const;
  int minor_version() const;  // HTTP/1.0 or 1.1

  // The value of the first field of that name, case-insensitively; empty when absent.
  std::string_view header(std::string_view name) const;
  std::span<const Field> headers() const;

  // Plain handlers: the whole body. Streaming handlers: empty, see on_body().
  std::string_view body() const;
  std::optional<std::uint64_t> content_length() const;  // absent: chunked or no body

  // Streaming handlers: reads at least one byte of the body into `into` (not empty, alive until the
  // call back) and calls back with the count, 0 at the body's end, or nothing when the client is
  // gone or too slow. At most one read at a time. Nothing is read from the client while nobody
  // asks, and "100 Continue" is sent by the first call.
  using BodyCallback = std::function<void(std::optional<std::size_t>)>;
  void read_body(std::span<char> into, BodyCallback callback) const;

  const std::string& request_id() const;  // the client's X-Request-ID if it is sane, else generated
  std::string_view remote_address() const;  // "192.0.2.1", "2001:db8::1", "unix:"
  std::uint16_t remote_port() const;
  // The client behind the proxies that are trusted (Options::trusted_proxies, proxy_protocol); the
  // remote address where they say nothing.
  std::string_view client_address() const;
  std::string_view listener() const;  // the name of the listener that accepted the connection
  std::uint64_t connection() const;   // as ConnectionInfo::number; 0 once the client has left
  std::uint64_t generation() const;   // 0 when run alone
  std::uint64_t worker() const;
  bool draining() const;  // the worker is on its way out

 private:
  Exchange& exchange_;
};

}  // namespace holdfast::worker
