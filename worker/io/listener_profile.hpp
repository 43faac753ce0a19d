// What is known of a connection by the listener it came through.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "holdfast/worker/options.hpp"
#include "shared/core/result.hpp"

namespace holdfast::worker {

struct ListenerProfile {
  std::string name;
  std::string address;  // as bound, for messages
  bool tls = false;
  bool proxy_protocol = false;
  std::uint32_t place = 0;  // in ListenerCounters
  bool kept = false;        // somebody else accepts from it after a full stop
};

ListenerProfile listener_profile(const Options& options, std::string name, std::string address);

// Fails where the options name a listener that is not there: whoever named it relies on it.
Result<void> check_listener_names(const Options& options,
                                  const std::vector<std::string_view>& there);

}  // namespace holdfast::worker
