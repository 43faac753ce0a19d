// Who may use the control socket. The mode of the socket file has let them connect already; this
// is the second lock, for a file whose mode somebody has changed.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

namespace holdfast::supervisor {

struct ControlPeer {
  int pid = 0;  // 0: of another pid namespace
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> groups = {};  // supplementary ones
};

// `group` is that of --control-group.
inline bool may_control(const ControlPeer& peer, std::uint32_t owner,
                        std::optional<std::uint32_t> group) {
  if (peer.uid == 0 || peer.uid == owner) return true;
  if (!group) return false;
  return peer.gid == *group || std::ranges::find(peer.groups, *group) != peer.groups.end();
}

}  // namespace holdfast::supervisor
