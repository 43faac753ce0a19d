#include "worker/io/listener_profile.hpp"

#include <algorithm>

namespace holdfast::worker {

namespace {

bool contains(const auto& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

ListenerProfile listener_profile(const Options& options, std::string name, std::string address) {
  ListenerProfile profile;
  const auto& secure = options.tls.listeners;
  profile.tls = !options.tls.certificate.empty() && (secure.empty() || contains(secure, name));
  profile.proxy_protocol = contains(options.proxy_protocol, name);
  profile.name = std::move(name);
  profile.address = std::move(address);
  return profile;
}

Result<void> check_listener_names(const Options& options,
                                  const std::vector<std::string_view>& names) {
  for (const std::string& wanted : options.proxy_protocol) {
    if (!contains(names, wanted))
      return plain_error("demand PROXY headers on " + wanted, "there is no such listener");
  }
  // A misspelt name would serve without TLS what was meant to have it.
  if (!options.tls.listeners.empty() && options.tls.certificate.empty())
    return plain_error("set up TLS", "it needs a certificate and a key");
  for (const std::string& wanted : options.tls.listeners) {
    if (!contains(names, wanted))
      return plain_error("use TLS on listener " + wanted, "there is no such listener");
  }
  return {};
}

}  // namespace holdfast::worker
