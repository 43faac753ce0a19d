#include "worker/io/listener_profile.hpp"

#include <algorithm>

namespace holdfast::worker {

namespace {

template <typename Names>
bool names(const Names& listeners, std::string_view name) {
  return std::find(listeners.begin(), listeners.end(), name) != listeners.end();
}

}  // namespace

ListenerProfile listener_profile(const Options& options, std::string name, std::string address) {
  const TlsOptions& tls = options.tls;
  ListenerProfile profile;
  profile.tls = !tls.certificate.empty() && (tls.listeners.empty() || names(tls.listeners, name));
  profile.proxy_protocol = names(options.proxy_protocol, name);
  profile.name = std::move(name);
  profile.address = std::move(address);
  return profile;
}

Result<void> check_listener_names(const Options& options,
                                  const std::vector<std::string_view>& there) {
  for (const std::string& wanted : options.proxy_protocol) {
    if (!names(there, wanted))
      return plain_error("demand PROXY headers on " + wanted, "there is no such listener");
  }
  for (const std::string& wanted : options.tls.listeners) {
    if (!names(there, wanted))
      return plain_error("serve TLS on " + wanted, "there is no such listener");
  }
  return {};
}

}  // namespace holdfast::worker
