// How an access record becomes a line: which texts it has, how much of each is taken, and the
// bytes. What to take is decided in access_record.cpp.
#pragma once

#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "worker/core/access_record.hpp"

namespace holdfast::worker {

// The texts whose bytes are not ours.
enum AccessText : std::size_t {
  kProtocol,
  kMethod,
  kUrl,
  kHost,
  kRemoteIp,
  kClientIp,
  kUserAgent,
  kReferer,
  kRequestId,
  kListener,
  kLabel,
  kTlsVersion,
  kTlsCipher,
  kTlsServerName,
  kTlsAlpn,
  kAccessTexts
};

// As `truncated` names them.
constexpr std::array<std::string_view, kAccessTexts> kAccessTextNames{
    "protocol",  "http_method",     "url",          "http_host",       "remote_ipaddr",
    "client_ip", "http_user_agent", "http_referer", "request_id",      "listener",
    "label",     "tls.version",     "tls.cipher",   "tls.server_name", "tls.alpn"};

using AccessTexts = std::array<std::string_view, kAccessTexts>;
AccessTexts texts_of(const AccessRecord& record);

// How much of the record goes into the line.
struct AccessPlan {
  std::array<std::size_t, kAccessTexts> limits;
  std::size_t fields = 0;  // of the handler's, from the first
};

// Every number and name at its longest, without the texts' values and the handler's fields.
constexpr std::size_t kFixedPart = 1360;
// Names in `truncated`: the texts' and at most kMaxLogFields of the handler's.
constexpr std::size_t kTruncatedPart = 256 + kMaxLogFields * (kMaxLogKey + 3);
static_assert(kFixedPart + kTruncatedPart < kMaxAccessLine, "shortening always suffices");

// Renders one line into a buffer on the stack: fixed parts unchecked, since the buffer has room for
// all of them behind a full line, values only where they fit into the line.
class AccessLine {
 public:
  AccessLine(const AccessRecord& record, const AccessTexts& texts, const AccessPlan& plan)
      : record_(record), texts_(texts), plan_(plan) {}

  // False, and nothing written, when it is too long.
  bool append_to(std::string& out);

 private:
  template <std::size_t N>
  void literal(const char (&bytes)[N]) {
    std::memcpy(at_, bytes, N - 1);
    at_ += N - 1;
  }
  // False when there was nothing to write.
  template <std::size_t N>
  bool text(AccessText which, const char (&opening)[N]) {
    const std::string_view value = texts_[which];
    const std::size_t limit = plan_.limits[which];
    if (value.empty() || limit == 0 || !fits(value, limit, N)) return false;
    literal(opening);
    at_ = write_json_text(at_, value, limit);
    *at_++ = '"';
    return true;
  }
  void plain(std::string_view bytes);
  void number(std::uint64_t value);
  void seconds(std::chrono::microseconds time);
  bool fits(std::string_view value, std::size_t limit, std::size_t around);
  void request();
  void connection();
  void tls();
  void truncated();
  void handler_fields();

  const AccessRecord& record_;
  const AccessTexts& texts_;
  const AccessPlan& plan_;
  bool whole_ = true;
  char buffer_[kMaxAccessLine + kFixedPart + kTruncatedPart];
  char* at_ = buffer_;
};

}  // namespace holdfast::worker
