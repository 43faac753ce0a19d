// A connection that came to nothing before its first request, as a line of the access log: one
// valid JSON object of at most 4,096 bytes, like every other. The schema is docs/access_log.md.
// Views only; an empty text is absent.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "worker/core/access_record.hpp"

namespace holdfast::worker {

inline constexpr std::size_t kMaxHandshakeText = 128;  // so that four always fit

struct HandshakeRecord {
  std::string_view type = "tls_handshake";  // or "proxy_header"; needs no escape
  WallTime logged_at;
  std::string_view error;
  std::string_view remote_ipaddr;
  std::uint16_t remote_port = 0;  // 0: absent
  std::string_view client_ip;
  std::string_view listener;
  ConnectionName conn_id;
  std::uint64_t pid = 0;
  std::uint64_t worker = 0;
  std::uint64_t generation = 0;
};

void append_handshake_line(std::string& out, const HandshakeRecord& record);

}  // namespace holdfast::worker
