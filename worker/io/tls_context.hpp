// What all TLS connections of a worker share: certificate, key, ticket keys and policy. TLS 1.2 and
// 1.3, forward-secret AEAD suites only, no renegotiation, no compression, no early data, sessions
// in tickets only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "shared/core/result.hpp"
#include "shared/core/ticket_key.hpp"
#include "worker/io/tls_stream.hpp"

struct ssl_ctx_st;

namespace holdfast::worker {

class TlsContext {
 public:
  // PEM files: the chain with the server's own certificate first, and its key, not encrypted.
  // "cannot load certificate FILE: cause", "cannot load key FILE: cause".
  static Result<TlsContext> load(const std::string& certificate, const std::string& key);

  // The first one seals tickets, all of them open. Without any, tickets are good for this process
  // only.
  void use_ticket_keys(std::vector<TicketKey> keys);

  // The server's end of a connection. `fd` is nonblocking and outlives the stream. Null when memory
  // is short.
  std::unique_ptr<TlsStream> accept(int fd) const;

 private:
  struct Free {
    void operator()(ssl_ctx_st* context) const;
  };

  TlsContext();

  // OpenSSL's callback finds them by address.
  std::unique_ptr<std::vector<TicketKey>> ticket_keys_;
  std::unique_ptr<ssl_ctx_st, Free> context_;
};

}  // namespace holdfast::worker
