#include "worker/io/tls_stream.hpp"

#include <cerrno>
#include <cstring>
#include <limits>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/tls1.h>

namespace holdfast::worker {
namespace {

int bounded(std::size_t size) {
  constexpr auto kMost = static_cast<std::size_t>(std::numeric_limits<int>::max());
  return static_cast<int>(size < kMost ? size : kMost);
}

}  // namespace

void TlsStream::Free::operator()(ssl_st* ssl) const { SSL_free(ssl); }

TlsStream::Progress TlsStream::handshake() {
  ERR_clear_error();
  errno = 0;
  const int result = SSL_do_handshake(ssl_.get());
  if (result == 1) return Progress::Complete;
  const int system = errno;
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Progress::WantRead;
    case SSL_ERROR_WANT_WRITE:
      return Progress::WantWrite;
    case SSL_ERROR_SSL: {
      const unsigned long code = ERR_peek_error();
      const char* reason = ERR_reason_error_string(code);
      failure_ = reason != nullptr ? reason : "unknown";
      plain_http_ = ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_HTTP_REQUEST;
      break;
    }
    case SSL_ERROR_SYSCALL:
      failure_ = system != 0 ? std::strerror(system) : "the client left";
      client_left_ = true;
      break;
    default:
      failure_ = "the client left";
      client_left_ = true;
  }
  broken_ = true;
  ERR_clear_error();
  return Progress::Failed;
}

bool TlsStream::heard_something() const { return BIO_number_read(SSL_get_rbio(ssl_.get())) != 0; }

ssize_t TlsStream::would_block_or_reset(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      errno = EAGAIN;
      return -1;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    default:
      broken_ = true;
      ERR_clear_error();
      errno = ECONNRESET;
      return -1;
  }
}

ssize_t TlsStream::read(char* into, std::size_t size, bool& more) {
  more = false;
  if (broken_) {
    errno = ECONNRESET;
    return -1;
  }
  std::size_t taken = 0;
  while (taken == 0 || size - taken >= SSL3_RT_MAX_PLAIN_LENGTH) {
    ERR_clear_error();
    const int n = SSL_read(ssl_.get(), into + taken, bounded(size - taken));
    if (n > 0) {
      taken += static_cast<std::size_t>(n);
      continue;
    }
    if (taken == 0) return would_block_or_reset(n);
    // Of an end or an error the next call tells again.
    more = SSL_get_error(ssl_.get(), n) != SSL_ERROR_WANT_READ;
    return static_cast<ssize_t>(taken);
  }
  more = true;
  return static_cast<ssize_t>(taken);
}

ssize_t TlsStream::write(const char* bytes, std::size_t size) {
  if (broken_) {
    errno = ECONNRESET;
    return -1;
  }
  std::size_t sent = 0;
  while (sent < size) {
    ERR_clear_error();
    const int n = SSL_write(ssl_.get(), bytes + sent, bounded(size - sent));
    writing_ = n <= 0;
    if (n > 0) {
      sent += static_cast<std::size_t>(n);
      continue;
    }
    if (sent != 0) break;
    const ssize_t result = would_block_or_reset(n);
    if (result == 0) errno = ECONNRESET;
    return -1;
  }
  return static_cast<ssize_t>(sent);
}

bool TlsStream::holds_bytes() const { return !broken_ && SSL_has_pending(ssl_.get()) == 1; }

void TlsStream::close_notify() {
  if (broken_ || writing_ || SSL_is_init_finished(ssl_.get()) == 0) return;
  if ((SSL_get_shutdown(ssl_.get()) & SSL_SENT_SHUTDOWN) != 0) return;
  ERR_clear_error();
  SSL_shutdown(ssl_.get());
  ERR_clear_error();
}

TlsInfo TlsStream::info() const {
  const SSL* ssl = ssl_.get();
  const auto text = [](const char* value) {
    return value != nullptr ? std::string_view(value) : std::string_view{};
  };
  const unsigned char* alpn = nullptr;
  unsigned alpn_size = 0;
  SSL_get0_alpn_selected(ssl, &alpn, &alpn_size);
  return {text(SSL_get_version(ssl)),
          text(SSL_get_cipher_name(ssl)),
          text(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)),
          {reinterpret_cast<const char*>(alpn), alpn_size},
          SSL_session_reused(ssl) == 1};
}

}  // namespace holdfast::worker
