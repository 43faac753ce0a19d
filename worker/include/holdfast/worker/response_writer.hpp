// What a handler answers with. Without flush() the response is sent whole, with its length, when
// the handler is done; with it, it is streamed: chunked under HTTP/1.1 unless content_length() was
// given. Framing, Date, Connection and the rules for HEAD, 204 and 304 are the library's business.
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace holdfast::worker {

class Exchange;

class ResponseWriter {
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

  // Adds a text field to this request's access-log line. A key has 1 to 40 of [A-Za-z0-9_.-] and
  // is none of the schema's own; others are std::invalid_argument.
  void log_field(std::string_view key, std::string_view value);

 private:
  Exchange& exchange_;
};

}  // namespace holdfast::worker
