#include "supervisor/io/listener_set.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/socket.h>

#include "shared/io/syscall.hpp"
#include "supervisor/io/queue_probe.hpp"
#include "supervisor/io/socket_holders.hpp"
#include "supervisor/io/syn_filter.hpp"

namespace holdfast::supervisor {
namespace {

// A port in use: who has it, where that can be known.
Error with_holders(Error error, const ListenAddress& address) {
  const auto* tcp = std::get_if<TcpAddress>(&address);
  if (tcp == nullptr || error.code != EADDRINUSE) return error;
  const std::string holders = holders_of_port(tcp->port);
  if (!holders.empty()) error.message += ", " + holders;
  return error;
}

std::vector<Error> close_door_of(Listener& listener) {
  if (listener.inherited) return {};
  listener.door_closed = true;
  BoundListener& socket = listener.socket;
  Result<void> done;
  if (socket.port != 0) {
    done = drop_new_connections(socket.fd.get());
  } else if (!socket.path.empty()) {
    done = unlink_own_socket(socket.path, socket.device, socket.inode);
    socket.path.clear();
  }
  if (done) return {};
  return {done.error()};
}

Result<std::shared_ptr<Listener>> bind_new(const ListenerSpec& spec) {
  auto bound = bind_listener(spec.address);
  if (!bound) return with_holders(bound.error(), spec.address);
  auto listener = std::make_shared<Listener>();
  listener->name = spec.name;
  listener->wanted = spec.address;
  listener->socket = std::move(*bound);
  return listener;
}

}  // namespace

bool ListenerSet::Use::has(const Shared& listener) const {
  return std::ranges::find(listeners, listener) != listeners.end();
}

Result<ListenerSet> ListenerSet::open(const std::vector<ListenerSpec>& specs,
                                      std::vector<InheritedListener> given) {
  ListenerSet set;
  given.resize(specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const ListenerSpec& spec = specs[i];
    if (!given[i].fd) {
      HOLDFAST_ASSIGN(Shared listener, bind_new(spec));
      set.listeners_.push_back(std::move(listener));
      continue;
    }
    auto listener = std::make_shared<Listener>();
    listener->name = spec.name;
    listener->wanted = spec.address;
    listener->socket.fd = std::move(given[i].fd);
    listener->socket.address = std::move(given[i].address);
    listener->inherited = true;
    set.listeners_.push_back(std::move(listener));
  }
  return set;
}

Result<std::vector<std::string>> ListenerSet::prepare(GenerationId generation,
                                                      const std::vector<ListenerSpec>& specs) {
  Use use{specs, {}};
  std::vector<Shared> fresh;
  for (const ListenerSpec& spec : specs) {
    Shared listener = reusable(spec, use.listeners);
    if (listener == nullptr) {
      auto bound = bind_new(spec);
      if (!bound) {
        for (const Shared& one : fresh) close_door_of(*one);  // its path must go too
        return bound.error();
      }
      listener = *bound;
      fresh.push_back(listener);
    }
    use.listeners.push_back(std::move(listener));
  }
  for (const Shared& listener : use.listeners) {
    // Taken away by one reload, and given back by the next before it was empty.
    if (listener->door_closed && let_connections_in(listener->socket.fd.get()))
      listener->door_closed = false;
  }
  listeners_.insert(listeners_.end(), fresh.begin(), fresh.end());
  std::vector<std::string> gone = gone_since_last(use);
  uses_[generation] = std::move(use);
  return gone;
}

// Same address, and best of all the same name too. A Unix path that was unlinked is another one.
ListenerSet::Shared ListenerSet::reusable(const ListenerSpec& spec,
                                          const std::vector<Shared>& taken) const {
  Shared found;
  for (const Shared& listener : listeners_) {
    if (std::ranges::find(taken, listener) != taken.end()) continue;
    const auto* tcp = std::get_if<TcpAddress>(&spec.address);
    if (to_string(listener->wanted) != to_string(spec.address)) continue;
    if (!is_at_its_path(listener->socket)) continue;  // somebody removed it; nobody finds it there
    if (listener->lost || (listener->door_closed && tcp == nullptr)) continue;
    if (listener->name == spec.name) return listener;
    // "Any free port" is nothing that two names could share.
    if (found == nullptr && (tcp == nullptr || tcp->port != 0)) found = listener;
  }
  return found;
}

std::vector<std::string> ListenerSet::gone_since_last(const Use& next) const {
  std::vector<std::string> gone;
  for (auto use = uses_.rbegin(); use != uses_.rend(); ++use) {
    if (use->second.leaving) continue;
    for (std::size_t i = 0; i < use->second.listeners.size(); ++i) {
      if (!next.has(use->second.listeners[i])) gone.push_back(use->second.specs[i].name);
    }
    break;
  }
  return gone;
}

void ListenerSet::forget(GenerationId generation) {
  const auto found = uses_.find(generation);
  if (found == uses_.end() || found->second.leaving) return;
  const std::vector<Shared> gone = concerned(generation);
  uses_.erase(found);
  drop(gone);
  rename();
}

// To what those call them that go on.
void ListenerSet::rename() {
  for (auto use = uses_.rbegin(); use != uses_.rend(); ++use) {
    if (use->second.leaving) continue;
    for (std::size_t i = 0; i < use->second.listeners.size(); ++i)
      use->second.listeners[i]->name = use->second.specs[i].name;
    return;
  }
}

std::vector<std::pair<std::string, ListenerSet::Shared>> ListenerSet::named(
    std::optional<GenerationId> generation) const {
  std::vector<std::pair<std::string, Shared>> result;
  if (!generation) {
    for (const Shared& listener : listeners_) result.emplace_back(listener->name, listener);
  } else if (const auto use = uses_.find(*generation); use != uses_.end()) {
    for (std::size_t i = 0; i < use->second.listeners.size(); ++i)
      result.emplace_back(use->second.specs[i].name, use->second.listeners[i]);
  }
  return result;
}

std::vector<ListenerInfo> ListenerSet::infos(std::optional<GenerationId> generation) const {
  std::vector<ListenerInfo> infos;
  for (const auto& [name, listener] : named(generation))
    infos.push_back({name, listener->socket.address, listener->inherited});
  return infos;
}

Result<std::vector<UniqueFd>> ListenerSet::duplicates(
    std::optional<GenerationId> generation) const {
  std::vector<UniqueFd> copies;
  for (const auto& [name, listener] : named(generation)) {
    HOLDFAST_ASSIGN(UniqueFd copy, duplicate(listener->socket.fd.get()));
    copies.push_back(std::move(copy));
  }
  return copies;
}

std::vector<ListenerSet::Shared> ListenerSet::concerned(const OnlyOf& only_of) const {
  if (!only_of) return listeners_;
  std::vector<Shared> result;
  const auto own = uses_.find(*only_of);
  if (own == uses_.end()) return result;
  for (const Shared& listener : own->second.listeners) {
    const bool goes_on = std::ranges::any_of(uses_, [&](const auto& use) {
      return use.first != *only_of && !use.second.leaving && use.second.has(listener);
    });
    if (!goes_on) result.push_back(listener);
  }
  return result;
}

std::vector<Error> ListenerSet::close_the_door(const OnlyOf& only_of) {
  std::vector<Error> errors;
  if (only_of && uses_.contains(*only_of)) uses_[*only_of].leaving = true;
  for (const Shared& listener : concerned(only_of)) {
    for (Error& error : close_door_of(*listener)) errors.push_back(std::move(error));
  }
  return errors;
}

ListenerSet::Queues ListenerSet::measure(const OnlyOf& only_of) const {
  Queues queues;
  std::vector<std::uint16_t> ports;
  for (const Shared& listener : concerned(only_of)) {
    if (listener->inherited) continue;  // who waits there waits for the next instance
    queues.queued += queued_connections(listener->socket.fd.get());
    if (listener->socket.port != 0) ports.push_back(listener->socket.port);
  }
  queues.half_open = half_open_connections(ports);
  return queues;
}

void ListenerSet::shut(const OnlyOf& only_of) {
  const std::vector<Shared> gone = concerned(only_of);
  if (only_of) {
    uses_.erase(*only_of);
    return drop(gone);
  }
  uses_.clear();
  drop(gone);
  listeners_.clear();
}

// An inherited one stays: its clients would be reset, and a later generation may have it again.
void ListenerSet::drop(const std::vector<Shared>& gone) {
  for (const Shared& listener : gone) {
    if (listener->inherited) continue;
    close_door_of(*listener);
    ::shutdown(listener->socket.fd.get(), SHUT_RDWR);
    std::erase(listeners_, listener);
    for (auto& [generation, use] : uses_) {
      // Two that left after each other may both have had it.
      for (std::size_t i = use.listeners.size(); i-- > 0;) {
        if (use.listeners[i] != listener) continue;
        use.listeners.erase(use.listeners.begin() + static_cast<std::ptrdiff_t>(i));
        use.specs.erase(use.specs.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
  }
}

}  // namespace holdfast::supervisor
