#include "worker/core/head_reader.hpp"

#include <limits>

#include "worker/core/ascii.hpp"

namespace holdfast::worker {
namespace {

constexpr ByteTable kRegNameBytes = alphanumeric_and("-._~%!$&'()*+,;=");  // RFC 3986, 3.2.2
constexpr ByteTable kRequestIdBytes = alphanumeric_and("._:/=+-");

bool all_in(const ByteTable& table, std::string_view text) {
  for (const char c : text) {
    if (!table[static_cast<unsigned char>(c)]) return false;
  }
  return true;
}

bool all_digits(std::string_view text) {
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
  }
  return true;
}

// uri-host [ ":" port ] (RFC 9110, 7.2). An address in brackets is checked for its characters only:
// nobody here connects to it.
bool valid_authority(std::string_view text, bool port_required) {
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos || close < 3) return false;
    for (const char c : text.substr(1, close - 1)) {
      if (c != ':' && !kRegNameBytes[static_cast<unsigned char>(c)]) return false;
    }
    const std::string_view rest = text.substr(close + 1);
    if (!rest.empty() && rest.front() != ':') return false;
    has_port = !rest.empty();
    port = has_port ? rest.substr(1) : rest;
  } else {
    std::size_t end = 0;
    while (end != text.size() && kRegNameBytes[static_cast<unsigned char>(text[end])]) ++end;
    has_port = end != text.size();
    if (has_port && (end == 0 || text[end] != ':')) return false;
    port = has_port ? text.substr(end + 1) : std::string_view{};
  }
  if (port_required && port.empty()) return false;
  return port.size() <= 5 && all_digits(port);
}

// Of an absolute-form target; empty when it has another form.
std::string_view authority_of(std::string_view target) {
  const std::size_t colon = target.find(':');
  if (colon == std::string_view::npos || target.substr(colon, 3) != "://") return {};
  const std::string_view scheme = target.substr(0, colon);
  if (!equals_ignoring_case(scheme, "http") && !equals_ignoring_case(scheme, "https")) return {};
  const std::string_view rest = target.substr(colon + 3);
  return rest.substr(0, rest.find_first_of("/?#"));
}

// Calls `visit` with each element of a comma-separated list; an empty one is passed over (RFC 9110,
// 5.6.1.2).
template <typename Visit>
bool each_element(std::string_view list, Visit visit) {
  while (!list.empty()) {
    const std::size_t comma = list.find(',');
    std::string_view element = list.substr(0, comma);
    list = comma == std::string_view::npos ? std::string_view{} : list.substr(comma + 1);
    const std::size_t from = element.find_first_not_of(" \t");
    if (from == std::string_view::npos) continue;
    element = element.substr(from, element.find_last_not_of(" \t") + 1 - from);
    if (!visit(element)) return false;
  }
  return true;
}

constexpr HeadFault bad_request(const char* reason) { return {400, reason}; }

}  // namespace

bool valid_request_id(std::string_view text) {
  return !text.empty() && text.size() <= 128 && all_in(kRequestIdBytes, text);
}

HeadFault HeadReader::request_line(std::string_view method, std::string_view target,
                                   std::uint8_t minor) {
  head_.method = method;
  head_.target = target;
  head_.minor = minor;
  if (method == "CONNECT") {
    if (!valid_authority(target, true)) return bad_request("CONNECT needs host:port");
    head_.host = target;
    authority_in_target_ = true;
    return {};
  }
  if (target.front() == '/') return {};
  if (target == "*") {
    if (method != "OPTIONS") return bad_request("the target * is for OPTIONS only");
    return {};
  }
  head_.host = authority_of(target);
  authority_in_target_ = true;
  if (head_.host.empty() || !valid_authority(head_.host, false))
    return bad_request("the target is neither a path nor an http URL");
  return {};
}

HeadFault HeadReader::field(std::string_view name, std::string_view value) {
  ++head_.field_count;
  switch (name.size()) {
    case 4:
      if (equals_ignoring_case(name, "host")) return host(value);
      break;
    case 6:
      if (equals_ignoring_case(name, "expect")) return expect(value);
      break;
    case 7:
      if (equals_ignoring_case(name, "upgrade")) has_upgrade_ = has_upgrade_ || !value.empty();
      if (head_.referer.empty() && equals_ignoring_case(name, "referer")) head_.referer = value;
      break;
    case 10:
      if (equals_ignoring_case(name, "connection")) return connection(value);
      if (head_.user_agent.empty() && equals_ignoring_case(name, "user-agent"))
        head_.user_agent = value;
      break;
    case 12:
      if (head_.request_id.empty() && equals_ignoring_case(name, "x-request-id") &&
          valid_request_id(value)) {
        head_.request_id = value;
      }
      break;
    case 14:
      if (equals_ignoring_case(name, "content-length")) return content_length(value);
      break;
    case 17:
      if (equals_ignoring_case(name, "transfer-encoding")) return transfer_encoding(value);
      break;
    default:
      break;
  }
  return {};
}

HeadFault HeadReader::host(std::string_view value) {
  // RFC 9112, 3.2: more than one, or an invalid one, is an error in every version.
  if (has_host_) return bad_request("more than one Host");
  has_host_ = true;
  if (!valid_authority(value, false)) return bad_request("the Host is not valid");
  if (!authority_in_target_) head_.host = value;
  return {};
}

HeadFault HeadReader::content_length(std::string_view value) {
  // RFC 9112, 6.3 would allow a list of equal lengths; no client of good will sends one.
  if (head_.has_length) return bad_request("more than one Content-Length");
  if (value.empty() || !all_digits(value)) return bad_request("Content-Length is not a number");
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  std::uint64_t length = 0;
  for (const char c : value) {
    const auto digit = static_cast<std::uint64_t>(c - '0');
    if (length > (kMax - digit) / 10) return bad_request("Content-Length is too large");
    length = length * 10 + digit;
  }
  head_.has_length = true;
  head_.content_length = length;
  return {};
}

HeadFault HeadReader::transfer_encoding(std::string_view value) {
  // RFC 9112, 6.1: a sender of HTTP/1.0 does not know it, so somebody in between meddled.
  if (head_.minor == 0) return bad_request("Transfer-Encoding in HTTP/1.0");
  if (head_.chunked) return bad_request("more than one Transfer-Encoding");
  if (equals_ignoring_case(value, "chunked")) {
    head_.chunked = true;
    return {};
  }
  // It is refused either way; 501 tells an honest sender of another coding why.
  std::size_t codings = 0;
  std::size_t chunked = 0;
  bool last_is_chunked = false;
  each_element(value, [&](std::string_view coding) {
    last_is_chunked = equals_ignoring_case(coding, "chunked");
    chunked += last_is_chunked ? 1 : 0;
    ++codings;
    return true;
  });
  if (codings == chunked || chunked > 1 || (chunked == 1 && !last_is_chunked))
    return bad_request("Transfer-Encoding is not chunked, once and last");
  return {501, "a transfer coding that is not known"};
}

HeadFault HeadReader::connection(std::string_view value) {
  const bool valid = each_element(value, [this](std::string_view option) {
    if (equals_ignoring_case(option, "close")) says_close_ = true;
    if (equals_ignoring_case(option, "keep-alive")) says_keep_alive_ = true;
    if (equals_ignoring_case(option, "upgrade")) says_upgrade_ = true;
    return all_in(kTokenBytes, option);
  });
  if (!valid) return bad_request("Connection is not a list of tokens");
  return {};
}

HeadFault HeadReader::expect(std::string_view value) {
  // RFC 9110, 10.1.1: to be ignored in HTTP/1.0.
  if (head_.minor == 0) return {};
  if (!equals_ignoring_case(value, "100-continue"))
    return {417, "an expectation that is not known"};
  head_.expect_continue = true;
  return {};
}

HeadFault HeadReader::finish() {
  if (head_.minor == 1 && !has_host_) return bad_request("no Host");
  // RFC 9112, 6.1: "ought to be handled as an error".
  if (head_.chunked && head_.has_length)
    return bad_request("Content-Length with Transfer-Encoding");
  head_.keep_alive = !says_close_ && (head_.minor == 1 || says_keep_alive_);
  // RFC 9110, 7.8: to be ignored in HTTP/1.0.
  head_.upgrade = has_upgrade_ && says_upgrade_ && head_.minor == 1;
  return {};
}

}  // namespace holdfast::worker
