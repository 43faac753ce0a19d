// TLS over one connection's own descriptor, never blocking. The calls are shaped like those of
// sockets, so that Sessions sees one kind of connection. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <sys/types.h>

#include "worker/core/tls_info.hpp"

struct ssl_st;

namespace holdfast::worker {

class TlsStream {
 public:
  enum class Progress : std::uint8_t { Complete, WantRead, WantWrite, Failed };

  // Takes the stream over.
  explicit TlsStream(ssl_st* ssl) : ssl_(ssl) {}

  Progress handshake();
  // After Failed: "http request", "no shared cipher", "the client left", ...
  const std::string& failure() const { return failure_; }
  bool client_left() const { return client_left_; }
  // What came was a request without TLS.
  bool heard_plain_http() const { return plain_http_; }
  // The client sent something, be it nonsense.
  bool heard_something() const;

  // As recv(2): n, 0 at the client's end (close_notify, or FIN without one), or -1 with EAGAIN or
  // ECONNRESET. `size` is at least a record (16 KiB). `more`: it stopped before there was nothing
  // left, be it in the kernel or in OpenSSL's memory, where no poll sees it (see holds_bytes).
  ssize_t read(char* into, std::size_t size, bool& more);

  // As send(2): n, or -1 with EAGAIN or ECONNRESET. After EAGAIN the next call must bring the same
  // bytes again, maybe more behind them, at any address.
  ssize_t write(const char* bytes, std::size_t size);

  // Something that the client sent was taken from the kernel and not given to read() yet: records,
  // or a part of one.
  bool holds_bytes() const;

  // Says close_notify, unless a record is half written: then the client must not take what it has
  // for the whole.
  void close_notify();

  // Views into the stream.
  TlsInfo info() const;

 private:
  struct Free {
    void operator()(ssl_st* ssl) const;
  };

  ssize_t would_block_or_reset(int result);

  std::unique_ptr<ssl_st, Free> ssl_;
  std::string failure_;
  bool plain_http_ = false;
  bool client_left_ = false;
  bool writing_ = false;  // a record waits for room in the socket
  bool broken_ = false;   // OpenSSL forbids further calls (SSL_get_error(3))
};

}  // namespace holdfast::worker
