// The certificate and the key, read once.
#include "worker/io/server_impl.hpp"

namespace holdfast::worker {

Result<void> Server::Impl::load_tls() {
  const TlsOptions& options = options_.tls;
  const bool wanted =
      !options.certificate.empty() || !options.key.empty() || !options.listeners.empty();
  if (!wanted) return {};
  if (options.certificate.empty() || options.key.empty())
    return plain_error("set up TLS", "it needs both a certificate and a key");
  HOLDFAST_ASSIGN(tls_, TlsContext::load(options.certificate, options.key));
  sessions_.use_tls(*tls_);
  return {};
}

}  // namespace holdfast::worker
