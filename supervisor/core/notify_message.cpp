#include "supervisor/core/notify_message.hpp"

#include <algorithm>
#include <array>

namespace holdfast::supervisor {
namespace {

// A service that relies on one of these behaves otherwise here than under systemd.
constexpr std::array<std::string_view, 6> kUnused{
    "MAINPID", "FDSTORE", "FDSTOREREMOVE", "EXTEND_TIMEOUT_USEC", "RELOADING", "NOTIFYACCESS"};
constexpr std::size_t kLongestStatus = 500;

}  // namespace

NotifyMessage parse_notify(std::string_view datagram) {
  NotifyMessage message;
  datagram = datagram.substr(0, kMaxNotifyMessage);
  while (!datagram.empty()) {
    const std::size_t end = std::min(datagram.find('\n'), datagram.size());
    const std::string_view line = datagram.substr(0, end);
    datagram.remove_prefix(std::min(end + 1, datagram.size()));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = line.substr(equals + 1);
    if (key == "READY" && value == "1") message.ready = true;
    if (key == "STOPPING" && value == "1") message.stopping = true;
    if (key == "WATCHDOG" && value == "1") message.lives = true;
    if (key == "WATCHDOG" && value == "trigger") message.hangs = true;
    if (key == "STATUS") {
      message.status = std::string(value.substr(0, kLongestStatus));
      std::ranges::replace_if(
          message.status, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    }
    if (std::ranges::count(kUnused, key) > 0) message.unused.emplace_back(key);
  }
  return message;
}

}  // namespace holdfast::supervisor
