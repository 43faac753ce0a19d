#include "supervisor/io/listener_set.hpp"

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

}  // namespace

Result<ListenerSet> ListenerSet::open(const std::vector<ListenerSpec>& specs,
                                      std::vector<InheritedListener> given) {
  ListenerSet set;
  given.resize(specs.size());
  for (std::size_t i = 0; i < specs.size(); ++i) {
    const ListenerSpec& spec = specs[i];
    if (given[i].fd) {
      BoundListener socket;
      socket.fd = std::move(given[i].fd);
      socket.address = std::move(given[i].address);
      set.listeners_.push_back({spec.name, std::move(socket), true});
      continue;
    }
    auto bound = bind_listener(spec.address);
    if (!bound) return with_holders(bound.error(), spec.address);
    set.listeners_.push_back({spec.name, std::move(*bound)});
  }
  return set;
}

std::vector<ListenerInfo> ListenerSet::infos() const {
  std::vector<ListenerInfo> infos;
  for (const Listener& listener : listeners_) {
    infos.push_back({listener.name, listener.socket.address, listener.inherited});
  }
  return infos;
}

Result<std::vector<UniqueFd>> ListenerSet::duplicates() const {
  std::vector<UniqueFd> copies;
  for (const Listener& listener : listeners_) {
    HOLDFAST_ASSIGN(UniqueFd copy, duplicate(listener.socket.fd.get()));
    copies.push_back(std::move(copy));
  }
  return copies;
}

std::vector<Error> ListenerSet::close_the_door() {
  std::vector<Error> errors;
  for (auto& [name, listener, inherited] : listeners_) {
    if (inherited) continue;
    Result<void> done;
    if (listener.port != 0) {
      done = drop_new_connections(listener.fd.get());
    } else if (!listener.path.empty()) {
      done = unlink_own_socket(listener.path, listener.device, listener.inode);
      listener.path.clear();
    }
    if (!done) errors.push_back(done.error());
  }
  return errors;
}

ListenerSet::Queues ListenerSet::measure() const {
  Queues queues;
  std::vector<std::uint16_t> ports;
  for (const auto& [name, listener, inherited] : listeners_) {
    if (inherited) continue;  // who waits there waits for the next instance
    queues.queued += queued_connections(listener.fd.get());
    if (listener.port != 0) ports.push_back(listener.port);
  }
  queues.half_open = half_open_connections(ports);
  return queues;
}

void ListenerSet::shut() {
  close_the_door();
  for (const Listener& listener : listeners_) {
    if (!listener.inherited) ::shutdown(listener.socket.fd.get(), SHUT_RDWR);
  }
  listeners_.clear();
}

}  // namespace holdfast::supervisor
