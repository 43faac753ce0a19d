#include "supervisor/io/listener_health.hpp"

#include <poll.h>
#include <sys/socket.h>

#include "shared/core/listen_address.hpp"
#include "supervisor/io/listener_set.hpp"
#include "supervisor/io/shut_mark.hpp"

namespace holdfast::supervisor {
namespace {

bool listens(int fd) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value == 1;
}

// A Unix socket that was shut down goes on saying that it listens.
bool hung_up(int fd) {
  pollfd entry{fd, POLLIN, 0};
  return ::poll(&entry, 1, 0) == 1 && (entry.revents & POLLHUP) != 0;
}

}  // namespace

Result<ListenerHealth> check_listener(const BoundListener& listener) {
  const int fd = listener.fd.get();
  const auto address = parse_listen_address(listener.address);
  const auto* tcp = address ? std::get_if<TcpAddress>(&*address) : nullptr;
  if (tcp == nullptr) return hung_up(fd) ? ListenerHealth::Lost : ListenerHealth::Good;
  // Shut in the middle of a repair, or before a worker called listen(2) itself: it would look well.
  if (listens(fd) && !is_marked_shut(fd)) return ListenerHealth::Good;
  HOLDFAST_TRY(listen_again(fd, *tcp));
  return ListenerHealth::Repaired;
}

std::vector<ListenerSet::Repair> ListenerSet::repair() {
  std::vector<Repair> repairs;
  for (const Shared& listener : listeners_) {
    // Behind a closed door nobody new comes.
    if (listener->lost || listener->door_closed) continue;
    const auto health = check_listener(listener->socket);
    if (health && *health == ListenerHealth::Good) continue;
    listener->lost = health && *health == ListenerHealth::Lost;
    repairs.push_back({listener->name, listener->socket.address, {}});
    if (!health) repairs.back().failure = health.error().message;
    if (listener->lost) repairs.back().failure = "a worker shut it down; reload to bind it anew";
  }
  return repairs;
}

}  // namespace holdfast::supervisor
