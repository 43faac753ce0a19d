// What a worker says to its NOTIFY_SOCKET (sd_notify(3)): one datagram of assignments, of which
// those that mean something to us are kept. Never fails: systemd skips what it does not know, too.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::supervisor {

inline constexpr std::size_t kMaxNotifyMessage = 4'096;

struct NotifyMessage {
  bool ready = false;
  bool stopping = false;
  bool lives = false;                    // WATCHDOG=1
  bool hangs = false;                    // WATCHDOG=trigger
  std::string status = {};               // one line, without control characters
  std::vector<std::string> unused = {};  // known to systemd, without effect here
  bool operator==(const NotifyMessage&) const = default;
};

NotifyMessage parse_notify(std::string_view datagram);

}  // namespace holdfast::supervisor
