// Listening sockets that came from whoever started us: systemd's socket units, by LISTEN_PID,
// LISTEN_FDS and LISTEN_FDNAMES (sd_listen_fds(3)). They belong to their giver, who keeps them when
// we are gone.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/core/listen_address.hpp"
#include "shared/core/result.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast::supervisor {

struct InheritedListener {
  std::string name;     // empty: it has none
  std::string address;  // as to_string(ListenAddress)
  UniqueFd fd;          // CLOEXEC, nonblocking
  bool stored = false;  // ours, from before a restart: systemd's FDSTORE kept it
};

// The names under which systemd keeps our own listeners begin with this, so that they are not
// mistaken for those of a socket unit.
inline constexpr std::string_view kStoredPrefix = "stored.";

// Takes them out of the environment, of which nothing that begins with LISTEN_ is left. None when
// they are meant for another process. Call it once, while there is one thread. Fails on a
// descriptor that is no listening stream socket, and on names that are not as many.
Result<std::vector<InheritedListener>> take_inherited_listeners();

// Closes what was stored and is not wanted any more: no spec has its name and its address. Returns
// what the names in the store are, for FDSTOREREMOVE.
std::vector<std::string> drop_stale_listeners(std::vector<InheritedListener>& given,
                                              const std::vector<ListenerSpec>& specs);

// One for each spec, in their order; with an empty descriptor where none was given. A socket is
// found by its name; where several have that name, or none has, by its address. Fails where a name
// fits several and the address none of them, and on a socket that no spec names: its clients would
// wait for ever.
Result<std::vector<InheritedListener>> match_listeners(const std::vector<ListenerSpec>& specs,
                                                       std::vector<InheritedListener> given);

}  // namespace holdfast::supervisor
