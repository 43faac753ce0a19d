#include "supervisor/io/listener_set.hpp"

#include <algorithm>
#include <cerrno>

#include "shared/io/socket_access.hpp"
#include "shared/io/syscall.hpp"
#include "supervisor/io/socket_holders.hpp"

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
    if (given[i].stored) listener->stored = spec.name;
    set.listeners_.push_back(std::move(listener));
  }
  return set;
}

Result<std::vector<std::string>> ListenerSet::prepare(GenerationId generation,
                                                      const std::vector<ListenerSpec>& specs,
                                                      TakenBack when) {
  Use use{specs, {}};
  std::vector<Shared> fresh;
  for (const ListenerSpec& spec : specs) {
    auto listener = obtain(spec, use.listeners);
    if (!listener) {
      for (const Shared& one : fresh) (void)one->close_door();  // its path must go too
      return listener.error();
    }
    if (std::ranges::find(listeners_, *listener) == listeners_.end()) fresh.push_back(*listener);
    use.listeners.push_back(std::move(*listener));
  }
  if (when == TakenBack::AtOnce) open_doors(use);
  listeners_.insert(listeners_.end(), fresh.begin(), fresh.end());
  std::vector<std::string> gone = gone_since_last(use);
  uses_[generation] = std::move(use);
  return gone;
}

Result<ListenerSet::Shared> ListenerSet::obtain(const ListenerSpec& spec,
                                                const std::vector<Shared>& taken) const {
  Shared found = reusable(spec, taken);
  if (found == nullptr) return bind_new(spec);
  // Names that are not there refuse the reload: at the commit there is no way back.
  const auto* local = std::get_if<UnixAddress>(&spec.address);
  if (local != nullptr && spec.address != found->wanted)
    HOLDFAST_TRY(find_owner(*local, "listen on " + to_string(spec.address)));
  return found;
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

std::vector<Error> ListenerSet::forget(GenerationId generation) {
  const auto found = uses_.find(generation);
  if (found == uses_.end()) return {};
  if (!found->second.leaving) {
    const Use gone = std::move(found->second);
    uses_.erase(found);
    drop_unused(gone.listeners);
    // A candidate that failed took clients there; the old ones go on emptying it.
    for (const Shared& listener : gone.listeners) {
      if (const Use* serving = serving_use(); serving == nullptr || !serving->has(listener))
        (void)listener->close_door();
    }
    rename();
  }
  // A candidate may have committed, and its word counts from now on.
  const Use* serving = serving_use();
  if (serving == nullptr) return {};
  open_doors(*serving);
  return give_access(*serving);
}

std::vector<Error> ListenerSet::give_access(const Use& use) {
  std::vector<Error> errors;
  for (std::size_t i = 0; i < use.listeners.size(); ++i) {
    Listener& listener = *use.listeners[i];
    const ListenAddress& wanted = use.specs[i].address;
    if (listener.wanted == wanted) continue;
    // Without a path it is abstract, or its mode and owner are its giver's.
    if (!listener.socket.path.empty()) {
      const auto changed = change_access(listener.socket, std::get<UnixAddress>(listener.wanted),
                                         std::get<UnixAddress>(wanted));
      if (!changed) {
        errors.push_back(changed.error());
        continue;
      }
    }
    listener.wanted = wanted;
  }
  return errors;
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

}  // namespace holdfast::supervisor
