// The head of a response as bytes: status line, Date, the handler's fields, and the framing, which
// is decided here and nowhere else (RFC 9112, 6.3 and 9.3). Pure; appends to the caller's buffer.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "worker/core/reason_phrase.hpp"

namespace holdfast::worker {

enum class ConnectionHeader : std::uint8_t { None, Close, KeepAlive };

// `client_keep_alive` is RequestHead::keep_alive; `must_close`: the server or the handler wants
// this response to be the last. HTTP/1.0 needs a spoken yes, HTTP/1.1 a spoken no.
constexpr ConnectionHeader connection_header(int minor, bool client_keep_alive,
                                             bool must_close) noexcept {
  if (must_close || !client_keep_alive) return ConnectionHeader::Close;
  return minor == 0 ? ConnectionHeader::KeepAlive : ConnectionHeader::None;
}

// How the client finds the end of the body.
enum class BodyFraming : std::uint8_t {
  None,        // there is no body, and no field says so: 1xx, 204, 304
  Length,      // Content-Length
  Chunked,     // Transfer-Encoding: chunked
  UntilClose,  // no length for an HTTP/1.0 client: the connection must close behind it
};

// True for the statuses whose responses never have a body (RFC 9110, 6.4.1). A response to HEAD has
// none either, but the head of one that has.
constexpr bool never_has_body(int status) noexcept {
  return (status >= 100 && status < 200) || status == 204 || status == 304;
}

constexpr BodyFraming body_framing(int status, int minor, bool length_known) noexcept {
  if (never_has_body(status)) return BodyFraming::None;
  if (length_known) return BodyFraming::Length;
  return minor == 0 ? BodyFraming::UntilClose : BodyFraming::Chunked;
}

struct HeaderField {
  std::string_view name;
  std::string_view value;
};

struct ResponseHead {
  int status = 200;       // REQUIRES: 100 to 999
  std::string_view date;  // as append_http_date writes; empty: no Date
  // What is the same in every response, as append_field_lines wrote it.
  std::string_view lines;
  std::span<const HeaderField> fields;  // REQUIRES: valid names and values
  BodyFraming framing = BodyFraming::Length;
  std::uint64_t content_length = 0;  // for BodyFraming::Length
  ConnectionHeader connection = ConnectionHeader::None;
  // As render_keep_alive() writes them; said where the connection stays open for another request.
  std::string_view keep_alive;
};

// Always says HTTP/1.1 (RFC 9110, 6.2). Of the handler's fields, Content-Length and
// Transfer-Encoding are left out, as is Connection but in a 101; a Date of the handler's replaces
// ours.
void append_response_head(std::string& out, const ResponseHead& head);

// Fields as bytes, by the same rules. Returns whether a Date is among them.
bool append_field_lines(std::string& out, int status, std::span<const HeaderField> fields);

bool valid_field_name(std::string_view name);    // a token (RFC 9110, 5.6.2)
bool valid_field_value(std::string_view value);  // no CR, LF, NUL or other control but HTAB

// "Sun, 06 Nov 1994 08:49:37 GMT" (29 bytes; RFC 9110, 5.6.7).
void append_http_date(std::string& out, std::chrono::sys_seconds time);

}  // namespace holdfast::worker
