#include "supervisor/io/listener_set.hpp"

#include <cerrno>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/io/syscall.hpp"
#include "supervisor/io/bind_listener.hpp"
#include "supervisor/io/queue_probe.hpp"
#include "supervisor/io/syn_filter.hpp"

namespace holdfast::supervisor {

Result<ListenerSet> ListenerSet::open(const std::vector<ListenerSpec>& specs) {
  ListenerSet set;
  for (const ListenerSpec& spec : specs) {
    HOLDFAST_ASSIGN(Listener listener, bind_listener(spec));
    set.listeners_.push_back(std::move(listener));
  }
  return set;
}

std::vector<ListenerInfo> ListenerSet::infos() const {
  std::vector<ListenerInfo> infos;
  for (const Listener& listener : listeners_) infos.push_back(listener.info);
  return infos;
}

Result<std::vector<UniqueFd>> ListenerSet::duplicates() const {
  std::vector<UniqueFd> copies;
  for (const Listener& listener : listeners_) {
    HOLDFAST_ASSIGN(UniqueFd copy, duplicate(listener.fd.get()));
    copies.push_back(std::move(copy));
  }
  return copies;
}

std::vector<Error> ListenerSet::close_the_door() {
  std::vector<Error> errors;
  for (Listener& listener : listeners_) {
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
  for (const Listener& listener : listeners_) {
    queues.queued += queued_connections(listener.fd.get());
    if (listener.port != 0) ports.push_back(listener.port);
  }
  queues.half_open = half_open_connections(ports);
  return queues;
}

void ListenerSet::shut() {
  close_the_door();
  for (const Listener& listener : listeners_) ::shutdown(listener.fd.get(), SHUT_RDWR);
  listeners_.clear();
}

Result<void> unlink_own_socket(const std::string& path, dev_t device, ino_t inode) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return errno_error("remove " + path, errno);
  }
  if (info.st_dev != device || info.st_ino != inode) return {};
  if (::unlink(path.c_str()) != 0) return errno_error("remove " + path, errno);
  return {};
}

}  // namespace holdfast::supervisor
