// The listening sockets, each held for as long as a generation has it, and given to workers as
// duplicates. Only this closes them for good: shutdown(2) on a listening socket stops it for every
// process that shares it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shared/core/control_message.hpp"
#include "shared/core/ids.hpp"
#include "shared/core/listen_address.hpp"
#include "shared/core/result.hpp"
#include "shared/io/bind_listener.hpp"
#include "shared/io/unique_fd.hpp"
#include "supervisor/io/inherited_listeners.hpp"

namespace holdfast::supervisor {

struct Listener {
  std::string name;
  ListenAddress wanted;  // as the operator wrote it, and as it is
  BoundListener socket;
  bool inherited = false;  // its owner goes on when we stop: never filtered, shut down or unlinked
  std::string stored;      // the name under which systemd's store has it; empty: it has not
  bool door_closed = false;
  bool lost = false;  // a worker shut it for good; the next generation gets a new one

  Result<void> close_door();  // where it is ours
};

// When clients may come again to a listener that a reload removed and a later one has back before
// it was closed. At the commit no candidate that fails loses them; but workers that accept from the
// moment they start, and may wait for a first connection, cannot wait for the commit.
enum class TakenBack : std::uint8_t { AtCommit, AtOnce };

class ListenerSet {
 public:
  // All or none: on failure what was bound is closed again. `given`: one for each spec, as
  // match_listeners() returns, or none at all.
  static Result<ListenerSet> open(const std::vector<ListenerSpec>& specs,
                                  std::vector<InheritedListener> given = {});

  // Binds what a generation has and no other had; what is there already, under the same address,
  // it gets as it is. All or none. Returns the names of those that the generation before it has
  // and this one has not.
  Result<std::vector<std::string>> prepare(GenerationId generation,
                                           const std::vector<ListenerSpec>& specs,
                                           TakenBack when = TakenBack::AtCommit);
  // No worker of it will be started any more: it failed, or another one has committed. What only it
  // had is shut, but where close_the_door() was called for it: then shut() is still to come.
  // When another one has committed, its Unix sockets get the mode and owner that it wants. Returns
  // what could not be done, for the log; each commit tries again.
  std::vector<Error> forget(GenerationId generation);

  // What a generation has, in the order of its options; nothing: all that there are.
  std::vector<ListenerInfo> infos(std::optional<GenerationId> generation = {}) const;
  Result<std::vector<UniqueFd>> duplicates(std::optional<GenerationId> generation = {}) const;

  // What workers shut down listens again, where it can.
  struct Repair {
    std::string name;
    std::string address;
    std::string failure;  // empty: it is repaired
  };
  std::vector<Repair> repair();

  // Somebody else keeps a copy of what the youngest generation has: from now on as if it had been
  // inherited. What no longer belongs there is wholly ours again. REQUIRES: no candidate.
  struct Kept {
    std::string name;
    int fd = -1;
  };
  struct StoreChanges {
    std::vector<std::string> removed;  // first: a name may come anew
    std::vector<Kept> added;
  };
  StoreChanges keep();

  // `only_of`: only what that generation has and the serving one has not; nothing: everything.
  using OnlyOf = std::optional<GenerationId>;

  // Nobody new may come: SYNs are dropped, socket paths unlinked. Who is in the queue stays in it.
  // Returns what could not be done, for the log; the stop goes on.
  std::vector<Error> close_the_door(const OnlyOf& only_of = {});

  struct Queues {
    std::uint64_t queued = 0;     // wait to be accepted
    std::uint64_t half_open = 0;  // handshakes that wait for the client's ACK
    bool claimed = false;         // a candidate has some of them
    bool given_back = false;      // the serving generation has all of them: nothing to empty
  };
  Queues measure(const OnlyOf& only_of = {}) const;

  // shutdown(2) and close(2), so that a stray copy refuses clients instead of letting them hang.
  // What another generation has is left to it.
  void shut(const OnlyOf& only_of = {});

 private:
  using Shared = std::shared_ptr<Listener>;
  struct Use {
    std::vector<ListenerSpec> specs;
    std::vector<Shared> listeners;  // in the order of `specs`
    bool leaving = false;
    bool has(const Shared& listener) const;
  };

  std::vector<std::pair<std::string, Shared>> named(std::optional<GenerationId> generation) const;
  void rename();
  Result<Shared> obtain(const ListenerSpec& spec, const std::vector<Shared>& taken) const;
  Shared reusable(const ListenerSpec& spec, const std::vector<Shared>& taken) const;
  std::vector<Shared> concerned(const OnlyOf& only_of) const;
  std::vector<std::string> gone_since_last(const Use& next) const;
  const Use* serving_use() const;
  static void open_doors(const Use& use);
  static std::vector<Error> give_access(const Use& use);
  void drop_unused(const std::vector<Shared>& gone);

  std::vector<Shared> listeners_;
  std::map<GenerationId, Use> uses_;
};

}  // namespace holdfast::supervisor
