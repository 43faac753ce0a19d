// TLS for the load client. Strict in one way that browsers are not: an end without close_notify is
// a reset. Certificates are not verified, because no test doubts them here. Each new connection
// offers the newest session ticket.
#pragma once

#include <memory>
#include <span>
#include <sys/types.h>

#include "tests/support/load_client_socket.hpp"

struct ssl_ctx_st;
struct ssl_session_st;
struct ssl_st;

namespace holdfast::testing {

class TlsClientContext;

class TlsClient {
 public:
  enum class Step : std::uint8_t { Complete, Waiting, Failed };

  TlsClient(TlsClientContext& context, int fd);  // the context outlives it
  ~TlsClient();                                  // says close_notify
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  Step handshake();
  // As send(2) and recv(2); 0 only at close_notify. `emptied`: nothing is left to read.
  ssize_t send(const char* bytes, std::size_t size);
  ssize_t receive(std::span<char> into, bool& emptied);
  Idle probe();  // as probe_idle

 private:
  ssize_t fail(int result);
  TlsClientContext& context_;
  ssl_st* ssl_;
  bool broken_ = false;
};

class TlsClientContext {
 public:
  TlsClientContext();
  ~TlsClientContext();
  TlsClientContext(const TlsClientContext&) = delete;
  TlsClientContext& operator=(const TlsClientContext&) = delete;

  ssl_ctx_st* get() const { return context_; }
  ssl_session_st* session() const { return session_; }
  void keep(ssl_session_st* session);  // takes it over

 private:
  static int on_session(ssl_st* ssl, ssl_session_st* session);
  ssl_ctx_st* context_;
  ssl_session_st* session_ = nullptr;  // the newest
};

}  // namespace holdfast::testing
