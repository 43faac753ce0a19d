#include "worker/io/acceptors.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

#include "shared/io/bind_listener.hpp"

namespace holdfast::worker {
namespace {

constexpr int kBatch = 64;  // connections a wake-up, so that accepting does not starve requests
constexpr Millis kRetry{100};

}  // namespace

Acceptors::Acceptors(boost::asio::io_context& io, LoopClock& clock, Sessions& sessions,
                     const std::size_t& max_connections)
    : sessions_(sessions), max_connections_(max_connections), retry_(io, clock, [this] {
        if (wanted_ && !watching_) watch();
      }) {
  sessions_.hooks.on_room = [this] {
    if (wanted_ && !watching_) watch();
  };
}

Acceptors::~Acceptors() {
  sessions_.hooks.on_room = nullptr;
  close(false);
}

void Acceptors::add(UniqueFd fd, ListenerProfile profile) {
  set_connection_options(fd.get());  // where somebody else bound it
  auto listener = std::make_unique<Listener>();
  listener->owner = this;
  listener->fd = std::move(fd);
  profile.place = sessions_.requests().listeners().place_of(profile.name);
  listener->profile = std::move(profile);
  listeners_.push_back(std::move(listener));
  if (watching_ && !watch(*listeners_.back())) starve();
}

const ListenerProfile* Acceptors::profile(std::string_view name) const {
  for (const auto* each : {&listeners_, &closed_}) {
    for (const auto& listener : *each) {
      if (listener->profile.name == name) return &listener->profile;
    }
  }
  return nullptr;
}

// A reload may have taken the listener away, or given it TLS.
bool Acceptors::takes(const CarriedConnection& carried) const {
  const ListenerProfile* listener = profile(carried.listener);
  return listener != nullptr && !listener->tls;
}

void Acceptors::take_over(UniqueFd fd, CarriedConnection carried, std::uint64_t generation) {
  const ListenerProfile& listener = *profile(carried.listener);
  sessions_.take_over(std::move(fd), std::move(carried), generation, listener);
  if (is_full()) unwatch();
}

void Acceptors::start() {
  wanted_ = true;
  for (auto& listener : listeners_) listener->wanted = true;
  watch();
}

void Acceptors::pause(const std::vector<std::string>& except) {
  retry_.cancel();
  unwatch();
  wanted_ = false;
  for (auto& listener : listeners_) {
    listener->wanted = std::ranges::find(except, listener->profile.name) != except.end();
    wanted_ = wanted_ || listener->wanted;
  }
  if (wanted_) watch();
}

void Acceptors::keep_only(const std::vector<std::string>& names) {
  pause(names);
  for (auto& listener : listeners_) {
    if (listener->wanted) continue;
    listener->fd.reset();
    closed_.push_back(std::move(listener));
  }
  std::erase(listeners_, nullptr);
}

Result<void> Acceptors::close(bool drain_queue) {
  pause();
  Result<void> result;
  for (auto& listener : listeners_) {
    // Whoever is in the queue was promised an answer, so max_connections does not count here.
    while (drain_queue && accept_from(*listener) == Accepted::More) {
    }
    // Linux has closed it even when a signal came (close(2), NOTES).
    if (::close(listener->fd.release()) != 0 && errno != EINTR && result)
      result = errno_error("close the listener " + listener->profile.address, errno);
    closed_.push_back(std::move(listener));
  }
  listeners_.clear();
  return result;
}

void Acceptors::close_kept() {
  for (auto& listener : listeners_) {
    if (!listener->profile.kept) continue;
    unwatch(*listener);
    listener->fd.reset();
    closed_.push_back(std::move(listener));
  }
  std::erase(listeners_, nullptr);
}

// Not in the set at all, rather than to be woken and do nothing: the kernel may have woken nobody
// else. Once there is room again watch() sees who has come meanwhile.
bool Acceptors::is_full() const {
  return max_connections_ != 0 && sessions_.connections() >= max_connections_;
}

void Acceptors::watch() {
  if (is_full()) return;  // on_room comes
  watching_ = true;
  for (auto& listener : listeners_) {
    if (listener->wanted && !watch(*listener)) return starve();
  }
}

bool Acceptors::watch(Listener& listener) {
  if (listener.watched) return true;
  // EPOLLEXCLUSIVE: one connection wakes few of the workers that share the listener (epoll_ctl(2)),
  // where the kernel heeds it in a set that is watched by another one. Linux 6.18 does not.
  listener.watched =
      sessions_.poller().add(listener.fd.get(), EPOLLIN | EPOLLEXCLUSIVE, listener).has_value();
  return listener.watched;
}

void Acceptors::unwatch() {
  watching_ = false;
  for (auto& listener : listeners_) unwatch(*listener);
}

void Acceptors::unwatch(Listener& listener) {
  if (std::exchange(listener.watched, false)) sessions_.poller().remove(listener.fd.get());
}

void Acceptors::starve() {
  unwatch();
  retry_.start_after(kRetry);
}

void Acceptors::fail(Listener& listener, int error) {
  unwatch(listener);
  listener.fd.reset();
  const Error failure = errno_error("accept on " + listener.profile.address, error);
  const auto at = std::find_if(listeners_.begin(), listeners_.end(),
                               [&](const auto& each) { return each.get() == &listener; });
  closed_.push_back(std::move(*at));
  listeners_.erase(at);
  on_failed(failure);
}

void Acceptors::Listener::on_poll(std::uint32_t) { owner->accept_batch(*this); }

void Acceptors::accept_batch(Listener& listener) {
  if (!listener.watched) return;  // paused or closed earlier in this batch of events
  for (int i = 0; i < kBatch && !is_full(); ++i) {
    switch (accept_from(listener)) {
      case Accepted::More:
        continue;
      case Accepted::Empty:
        return;
      case Accepted::Starved:
        return starve();
      case Accepted::Failed:
        return fail(listener, errno);
    }
  }
  if (is_full()) unwatch();
}

Acceptors::Accepted Acceptors::accept_from(Listener& listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  UniqueFd fd(::accept4(listener.fd.get(), reinterpret_cast<sockaddr*>(&address), &size,
                        SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (fd) {
    sessions_.adopt(std::move(fd), PeerAddress::from(address), listener.profile);
    return Accepted::More;
  }
  switch (errno) {
    case EAGAIN:  // another worker was faster
      return Accepted::Empty;
    case EINVAL:  // somebody shut the shared listener down
    case EBADF:
    case ENOTSOCK:
      return on_failed ? Accepted::Failed : Accepted::Empty;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
      return Accepted::Starved;
    default:
      return Accepted::More;  // this connection is already gone (accept(2), "Error handling"); the
                              // next may be fine
  }
}

}  // namespace holdfast::worker
