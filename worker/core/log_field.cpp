#include "worker/core/log_field.hpp"

#include <algorithm>
#include <iterator>

namespace holdfast::worker {
namespace {

// The schema's own names (docs/access_log.md).
constexpr std::string_view kTaken[] = {"protocol",
                                       "http_method",
                                       "url",
                                       "http_host",
                                       "remote_ipaddr",
                                       "client_ip",
                                       "http_user_agent",
                                       "http_referer",
                                       "request_id",
                                       "listener",
                                       "label",
                                       "logged_at",
                                       "type",
                                       "severity",
                                       "start_at",
                                       "response_time",
                                       "request_size",
                                       "response_size",
                                       "http_status_code",
                                       "bytes_received",
                                       "bytes_sent",
                                       "remote_port",
                                       "conn_id",
                                       "conn_requests",
                                       "pid",
                                       "worker",
                                       "generation",
                                       "draining",
                                       "handed_off_from",
                                       "completion",
                                       "truncated",
                                       "tls",
                                       "fields"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

bool valid_log_key(std::string_view key) {
  if (key.empty() || key.size() > kMaxLogKey) return false;
  for (const char c : key) {
    const bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
                      c == '.' || c == '-';
    if (!good) return false;
  }
  return std::find(std::begin(kTaken), std::end(kTaken), key) == std::end(kTaken);
}

bool is_json_literal(std::string_view text) {
  if (text == "true" || text == "false" || text == "null") return true;
  if (text.size() > 32) return false;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto digits = [&] {
    const char* const from = at;
    while (at != end && is_digit(*at)) ++at;
    return at - from;
  };
  if (at != end && *at == '-') ++at;
  const bool zero = at != end && *at == '0';
  const auto whole = digits();
  if (whole == 0 || (zero && whole > 1)) return false;
  if (at != end && *at == '.') {
    ++at;
    if (digits() == 0) return false;
  }
  if (at != end && (*at == 'e' || *at == 'E')) {
    ++at;
    if (at != end && (*at == '+' || *at == '-')) ++at;
    const auto exponent = digits();
    if (exponent == 0 || exponent > 2) return false;
  }
  return at == end;
}

}  // namespace holdfast::worker
