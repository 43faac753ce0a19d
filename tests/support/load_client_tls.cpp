#include "tests/support/load_client_tls.hpp"

#include <cerrno>
#include <csignal>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace holdfast::testing {

TlsClientContext::TlsClientContext() : context_(SSL_CTX_new(TLS_client_method())) {
  ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes with write(2)
  SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_app_data(context_, this);
  SSL_CTX_sess_set_new_cb(context_, on_session);
}

TlsClientContext::~TlsClientContext() {
  SSL_SESSION_free(session_);
  SSL_CTX_free(context_);
}

void TlsClientContext::keep(ssl_session_st* session) {
  SSL_SESSION_free(session_);
  session_ = session;
}

int TlsClientContext::on_session(ssl_st* ssl, ssl_session_st* session) {
  static_cast<TlsClientContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)))->keep(session);
  return 1;  // it is ours now
}

TlsClient::TlsClient(TlsClientContext& context, int fd)
    : context_(context), ssl_(SSL_new(context.get())) {
  SSL_set_fd(ssl_, fd);
  SSL_set_connect_state(ssl_);
  constexpr unsigned char kProtocols[] = "\x08http/1.1";
  SSL_set_alpn_protos(ssl_, kProtocols, sizeof kProtocols - 1);
  if (context.session() != nullptr) SSL_set_session(ssl_, context.session());
}

TlsClient::~TlsClient() {
  ERR_clear_error();
  if (!broken_ && SSL_is_init_finished(ssl_) == 1) {
    SSL_shutdown(ssl_);
    // Of a ticket that is renewed in TLS 1.2 no callback tells.
    if (SSL_version(ssl_) == TLS1_2_VERSION) context_.keep(SSL_get1_session(ssl_));
  }
  SSL_free(ssl_);
}

TlsClient::Step TlsClient::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result == 1) return Step::Complete;
  return fail(result) < 0 && errno == EAGAIN ? Step::Waiting : Step::Failed;
}

ssize_t TlsClient::fail(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      errno = EAGAIN;
      return -1;
    case SSL_ERROR_ZERO_RETURN:
      return 0;
    default:
      broken_ = true;
      errno = ECONNRESET;
      return -1;
  }
}

ssize_t TlsClient::send(const char* bytes, std::size_t size) {
  ERR_clear_error();
  const int n = SSL_write(ssl_, bytes, static_cast<int>(size));
  return n > 0 ? n : fail(n);
}

ssize_t TlsClient::receive(std::span<char> into, bool& emptied) {
  emptied = false;
  std::size_t taken = 0;
  while (taken < into.size()) {
    ERR_clear_error();
    const int n = SSL_read(ssl_, into.data() + taken, static_cast<int>(into.size() - taken));
    if (n <= 0) {
      if (taken == 0) return fail(n);
      emptied = SSL_get_error(ssl_, n) == SSL_ERROR_WANT_READ;
      break;
    }
    taken += static_cast<std::size_t>(n);
  }
  return static_cast<ssize_t>(taken);
}

Idle TlsClient::probe() {
  ERR_clear_error();
  char byte = 0;
  const int n = SSL_peek(ssl_, &byte, 1);
  if (n > 0) return Idle::Bytes;
  if (fail(n) == 0) return Idle::Closed;
  return errno == EAGAIN ? Idle::Quiet : Idle::Reset;
}

}  // namespace holdfast::testing
