// The listening sockets: bound once, held for life, given to workers as duplicates. Only this
// closes them for good, and only at a full stop: shutdown(2) on a listening socket stops it for
// every process that shares it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "shared/core/control_message.hpp"
#include "shared/core/listen_address.hpp"
#include "shared/core/result.hpp"
#include "shared/io/bind_listener.hpp"
#include "shared/io/unique_fd.hpp"
#include "supervisor/io/inherited_listeners.hpp"

namespace holdfast::supervisor {

struct Listener {
  std::string name;
  BoundListener socket;
  bool inherited = false;  // its owner goes on when we stop: never filtered, shut down or unlinked
};

class ListenerSet {
 public:
  // All or none: on failure what was bound is closed again. `given`: one for each spec, as
  // match_listeners() returns, or none at all.
  static Result<ListenerSet> open(const std::vector<ListenerSpec>& specs,
                                  std::vector<InheritedListener> given = {});

  std::vector<ListenerInfo> infos() const;
  Result<std::vector<UniqueFd>> duplicates() const;

  // Nobody new may come: SYNs are dropped, socket paths unlinked. Who is in the queue stays in it.
  // Returns what could not be done, for the log; the stop goes on.
  std::vector<Error> close_the_door();

  struct Queues {
    std::uint64_t queued = 0;     // wait to be accepted
    std::uint64_t half_open = 0;  // handshakes that wait for the client's ACK
  };
  Queues measure() const;

  // shutdown(2) and close(2), so that a stray copy refuses clients instead of letting them hang.
  void shut();

 private:
  std::vector<Listener> listeners_;
};

}  // namespace holdfast::supervisor
