// What is known of a connection by the listener it came through.
#pragma once

#include <string>

namespace holdfast::worker {

struct ListenerProfile {
  std::string name;
  bool tls = false;
  bool proxy_protocol = false;
};

}  // namespace holdfast::worker
