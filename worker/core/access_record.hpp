// One request's line in the access log, as a value and as JSON. The record only views its texts:
// they must live until the line is appended. The schema is docs/access_log.md; the promise here is
// that whatever bytes the client sent, the line is one valid JSON object, ends with the only '\n',
// and has at most 4,096 bytes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "shared/core/json_line.hpp"
#include "worker/core/log_field.hpp"
#include "worker/core/tls_info.hpp"

namespace holdfast::worker {

inline constexpr std::size_t kMaxAccessLine = 4096;  // PIPE_BUF: lines of many workers never mix
inline constexpr std::size_t kMaxLoggedUrl = 2048;
inline constexpr std::size_t kMaxLoggedText = 512;
inline constexpr std::size_t kMaxLogFields = 32;  // added by the handler; more are left out

// How the request ended.
enum class Completion : std::uint8_t {
  Ok,
  ClientAborted,  // the client left before the response was out
  Timeout,
  Cut,  // ended by us before it was done
  HandlerError,
  Rejected,  // answered by the server itself; no handler ran
  Hijacked,
};

std::string_view to_string(Completion completion);

// `<generation>-<worker>-<number>` of the worker that accepted the connection.
struct ConnectionName {
  std::uint64_t generation = 0;
  std::uint64_t worker = 0;
  std::uint64_t number = 0;
  bool operator==(const ConnectionName&) const = default;
};

// An empty text is unknown, and absent from the line.
struct AccessRecord {
  WallTime logged_at;
  WallTime start_at;
  std::chrono::microseconds response_time{0};
  std::string_view protocol;  // "HTTP/1.1"
  std::string_view http_method;
  std::string_view url;
  std::string_view http_host;
  int http_status_code = 0;
  std::uint64_t request_size = 0;
  std::uint64_t response_size = 0;
  std::uint64_t bytes_received = 0;
  std::uint64_t bytes_sent = 0;
  std::string_view remote_ipaddr;
  std::uint16_t remote_port = 0;  // 0: absent
  std::string_view client_ip;
  std::string_view http_user_agent;
  std::string_view http_referer;
  std::string_view request_id;
  std::string_view listener;
  ConnectionName conn_id;
  std::uint64_t conn_requests = 0;
  std::uint64_t pid = 0;
  std::uint64_t worker = 0;
  std::uint64_t generation = 0;
  std::string_view label;  // of the deploy
  bool draining = false;
  std::uint64_t handed_off_from = 0;  // the generation that had the connection before; 0: absent
  Completion completion = Completion::Ok;
  const TlsInfo* tls = nullptr;  // null: no TLS
  std::span<const LogField> fields;
};

// Values are cut at kMaxLoggedUrl and kMaxLoggedText bytes of their source. Where the line would
// still be too long, the handler's fields go first (the last one first), then http_referer,
// http_user_agent, tls.server_name, http_host, client_ip, listener, label, request_id, http_method,
// remote_ipaddr, protocol, the rest of tls and url are shortened, each as far as needed.
// `truncated` names all that is not whole.
void append_access_line(std::string& out, const AccessRecord& record);

}  // namespace holdfast::worker
