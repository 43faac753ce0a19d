#include "worker/io/listener_profile.hpp"

#include <algorithm>

namespace holdfast::worker {

ListenerProfile listener_profile(const Options& options, std::string name, std::string address) {
  const auto& wanted = options.proxy_protocol;
  ListenerProfile profile;
  profile.proxy_protocol = std::find(wanted.begin(), wanted.end(), name) != wanted.end();
  profile.name = std::move(name);
  profile.address = std::move(address);
  return profile;
}

Result<void> check_listener_names(const Options& options,
                                  const std::vector<std::string_view>& names) {
  for (const std::string& wanted : options.proxy_protocol) {
    if (std::find(names.begin(), names.end(), wanted) == names.end())
      return plain_error("demand PROXY headers on " + wanted, "there is no such listener");
  }
  return {};
}

}  // namespace holdfast::worker
