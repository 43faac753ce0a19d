// The end of a listener: nobody new may come, who is in the queue is served, then it is shut. And
// its door is opened again when a later generation has it.
#include <algorithm>
#include <sys/socket.h>
#include <utility>

#include "supervisor/io/listener_set.hpp"
#include "supervisor/io/queue_probe.hpp"
#include "supervisor/io/syn_filter.hpp"

namespace holdfast::supervisor {

Result<void> Listener::close_door() {
  if (inherited) return {};
  door_closed = true;
  if (socket.port != 0) return drop_new_connections(socket.fd.get());
  if (socket.path.empty()) return {};
  Result<void> done = unlink_own_socket(socket.path, socket.device, socket.inode);
  socket.path.clear();
  return done;
}

void ListenerSet::open_doors(const Use& use) {
  for (const Shared& listener : use.listeners) {
    if (listener->door_closed && let_connections_in(listener->socket.fd.get()))
      listener->door_closed = false;
  }
}

// A candidate, if there is one, is younger.
const ListenerSet::Use* ListenerSet::serving_use() const {
  const auto found =
      std::ranges::find_if(uses_, [](const auto& entry) { return !entry.second.leaving; });
  return found == uses_.end() ? nullptr : &found->second;
}

// What a candidate took back is emptied all the same: it may fail.
std::vector<ListenerSet::Shared> ListenerSet::concerned(const OnlyOf& only_of) const {
  if (!only_of) return listeners_;
  std::vector<Shared> result;
  const auto own = uses_.find(*only_of);
  if (own == uses_.end()) return result;
  const Use* serving = serving_use();
  for (const Shared& listener : own->second.listeners) {
    if (serving == nullptr || !serving->has(listener)) result.push_back(listener);
  }
  return result;
}

std::vector<Error> ListenerSet::close_the_door(const OnlyOf& only_of) {
  for (auto& [generation, use] : uses_) {
    if (!only_of || generation == *only_of) use.leaving = true;
  }
  std::vector<Error> errors;
  for (const Shared& listener : concerned(only_of)) {
    if (auto closed = listener->close_door(); !closed) errors.push_back(closed.error());
  }
  return errors;
}

ListenerSet::Queues ListenerSet::measure(const OnlyOf& only_of) const {
  Queues queues;
  std::vector<std::uint16_t> ports;
  const std::vector<Shared> listeners = concerned(only_of);
  queues.given_back = only_of && listeners.empty();
  queues.claimed = only_of && std::ranges::any_of(listeners, [&](const Shared& listener) {
                     return std::ranges::any_of(uses_, [&](const auto& entry) {
                       return !entry.second.leaving && entry.second.has(listener);
                     });
                   });
  for (const Shared& listener : listeners) {
    if (listener->inherited) continue;  // who waits there waits for the next instance
    queues.queued += queued_connections(listener->socket.fd.get());
    if (listener->socket.port != 0) ports.push_back(listener->socket.port);
  }
  queues.half_open = half_open_connections(ports);
  return queues;
}

void ListenerSet::shut(const OnlyOf& only_of) {
  if (!only_of) {
    uses_.clear();
    drop_unused(std::vector<Shared>(listeners_));
    return listeners_.clear();
  }
  const auto found = uses_.find(*only_of);
  if (found == uses_.end()) return;
  const Use gone = std::move(found->second);
  uses_.erase(found);
  drop_unused(gone.listeners);
}

ListenerSet::StoreChanges ListenerSet::keep() {
  StoreChanges changes;
  const auto use = std::find_if(uses_.rbegin(), uses_.rend(),
                                [](const auto& entry) { return !entry.second.leaving; });
  if (use == uses_.rend()) return changes;
  std::map<const Listener*, std::string> wanted;
  for (std::size_t i = 0; i < use->second.listeners.size(); ++i) {
    const Shared& listener = use->second.listeners[i];
    if (!listener->lost) wanted[listener.get()] = use->second.specs[i].name;
  }
  for (const Shared& listener : listeners_) {
    const auto found = wanted.find(listener.get());
    const std::string name = found == wanted.end() ? std::string() : found->second;
    if (!listener->stored.empty() && listener->stored != name) {
      changes.removed.push_back(std::exchange(listener->stored, {}));
      listener->inherited = false;
    }
    if (name.empty() || listener->inherited) continue;
    listener->inherited = true;
    listener->stored = name;
    changes.added.push_back({name, listener->socket.fd.get()});
  }
  return changes;
}

// An inherited one stays: its clients would be reset, and a later generation may have it again.
void ListenerSet::drop_unused(const std::vector<Shared>& gone) {
  for (const Shared& listener : gone) {
    const bool used =
        std::ranges::any_of(uses_, [&](const auto& entry) { return entry.second.has(listener); });
    if (used || listener->inherited) continue;
    (void)listener->close_door();
    ::shutdown(listener->socket.fd.get(), SHUT_RDWR);
    std::erase(listeners_, listener);
  }
}

}  // namespace holdfast::supervisor
