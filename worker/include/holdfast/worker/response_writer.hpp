// What a handler answers with. Without flush() the response is sent whole, with its length, when
// the handler is done; with it, it is streamed: chunked under HTTP/1.1 unless content_length() was
// given. Framing, Date, Connection and the rules for HEAD, 204 and 304 are the library's business.
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

#include "holdfast/export.h"
#include "holdfast/worker/hijacked.hpp"

namespace holdfast::worker {

class Exchange;

class HOLDFAST_API ResponseWriter {
 public:
  explicit ResponseWriter(Exchange& exchange) : exchange_(exchange) {}
  ResponseWriter(const ResponseWriter&) = delete;
  ResponseWriter& operator=(const ResponseWriter&) = delete;

  // All three throw std::logic_error once the head is sent. A status is 200 to 999; a name or value
  // that could break the framing (RFC 9110 section 5) is std::invalid_argument, and so are
  // Content-Length, Transfer-Encoding and Connection.
  void status(int code);
  void header(std::string_view name, std::string_view value);
  void content_length(std::uint64_t bytes);

  // Appends to the body. Never blocks; a streaming handler bounds its memory by waiting in
  // on_flushed().
  void write(std::string_view bytes);

  // Sends the head and what was written so far.
  void flush();

  // Flushes, then calls back with true when all is in the kernel, or false when the client is gone
  // or too slow.
  using FlushCallback = std::function<void(bool)>;
  void on_flushed(FlushCallback callback);

  // Appends `length` bytes of a file from `offset`; the kernel reads them by itself where it can
  // (sendfile(2)). The descriptor is duplicated, so the caller keeps his. Sends the head; without
  // content_length() before it the file is the end of the body. One file at a time: the next one
  // only after on_flushed(), else std::logic_error. A file that turns out shorter cuts the
  // response.
  void send_file(int file, std::uint64_t offset, std::uint64_t length);

  // A field of the trailer section, sent where the body is chunked, else left out (RFC 9110, 6.5).
  // Throws as header() does for bad names and values.
  void trailer(std::string_view name, std::string_view value);

  // Streaming handlers. Called once when the client has closed its side or its connection broke,
  // unless the handler is done before. A client that only half-closed can still be answered.
  void on_client_closed(std::function<void()> callback);

  // Streaming handlers. Called once when the worker begins to drain (soon, where it already does):
  // an endless response should end itself now.
  void on_drain(std::function<void()> callback);

  // Streaming handlers. Takes the connection: nothing of the response is sent, and the handler
  // speaks for itself from now on (WebSocket, CONNECT). What the client already sent comes first.
  // Throws std::logic_error once the head is sent or while the body is read. When the handler is
  // done the stream stays open as long as the Hijacked lives.
  Hijacked hijack();

  // Adds a text field to this request's access-log line. A key has 1 to 40 of [A-Za-z0-9_.-] and
  // is none of the schema's own; others are std::invalid_argument.
  void log_field(std::string_view key, std::string_view value);

 private:
  Exchange& exchange_;
};

}  // namespace holdfast::worker
