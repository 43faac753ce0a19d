// Which listeners of a worker speak TLS, and with what.
#include <algorithm>

#include "worker/io/server_impl.hpp"

namespace holdfast::worker {

Result<void> Server::Impl::load_tls() {
  const TlsOptions& options = options_.tls;
  if (options.certificate.empty() && options.key.empty()) return {};
  if (options.certificate.empty() || options.key.empty())
    return plain_error("set up TLS", "it needs both a certificate and a key");
  HOLDFAST_ASSIGN(tls_, TlsContext::load(options.certificate, options.key));
  sessions_.use_tls(*tls_);
  return {};
}

// A misspelt name would serve without TLS what was meant to have it.
Result<void> Server::Impl::check_tls_listeners(const std::vector<std::string>& names) const {
  if (!options_.tls.listeners.empty() && !tls_)
    return plain_error("set up TLS", "it needs a certificate and a key");
  for (const std::string& wanted : options_.tls.listeners) {
    if (std::find(names.begin(), names.end(), wanted) == names.end())
      return plain_error("use TLS on listener " + wanted, "there is no such listener");
  }
  return {};
}

ListenerProfile Server::Impl::profile(std::string name) const {
  const auto& listeners = options_.tls.listeners;
  const bool named =
      listeners.empty() || std::find(listeners.begin(), listeners.end(), name) != listeners.end();
  ListenerProfile profile;
  profile.name = std::move(name);
  profile.tls = tls_ && named;
  return profile;
}

}  // namespace holdfast::worker
