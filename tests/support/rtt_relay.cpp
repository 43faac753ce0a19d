#include "tests/support/rtt_relay.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>

namespace holdfast::testing {
namespace {

constexpr std::size_t kReadSize = 64 * 1024;

[[noreturn]] void give_up(const char* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace

// One of the two sockets of a link.
struct RttRelay::Side {
  Link* link = nullptr;
  UniqueFd fd;
  std::string unsent;       // due, but the socket was full or not connected yet
  bool in_ended = false;    // it has sent its FIN
  bool out_ending = false;  // it gets ours behind `unsent`
  bool out_ended = false;
};

struct RttRelay::Link {
  Link() { client.link = server.link = this; }
  Side& opposite(const Side& side) { return &side == &client ? server : client; }
  Side client;
  Side server;
  std::shared_ptr<Link> self;  // until both sockets are closed
};

RttRelay::RttRelay(Target target, std::chrono::nanoseconds rtt)
    : target_(std::move(target)),
      way_(rtt / 2),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      scratch_(kReadSize) {
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  auto* const generic = reinterpret_cast<sockaddr*>(&name);
  if (::bind(listener_.get(), generic, size) != 0) give_up("cannot bind");
  if (::listen(listener_.get(), SOMAXCONN) != 0) give_up("cannot listen");
  ::getsockname(listener_.get(), generic, &size);
  address_ = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
  epoll_event event{.events = EPOLLIN, .data = {.ptr = nullptr}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, listener_.get(), &event) != 0)
    give_up("cannot watch the listener");
}

RttRelay::~RttRelay() = default;

void RttRelay::run() {
  std::array<epoll_event, 256> events{};
  for (;;) {
    timespec wait{};
    if (!wire_.empty()) {
      const auto left = std::max(wire_.front().due - Clock::now(), Clock::duration::zero());
      wait = {.tv_sec = left / std::chrono::seconds(1),
              .tv_nsec = (left % std::chrono::seconds(1)).count()};
    }
    pollfd ready{.fd = epoll_.get(), .events = POLLIN, .revents = 0};
    if (::ppoll(&ready, 1, wire_.empty() ? nullptr : &wait, nullptr) < 0 && errno != EINTR)
      give_up("cannot wait");
    const int n = ::epoll_wait(epoll_.get(), events.data(), events.size(), 0);
    for (int i = 0; i < n; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.ptr == nullptr) {
        accept_all();
        continue;
      }
      Side& side = *static_cast<Side*>(event.data.ptr);
      if (side.fd) flush(side);
      if (side.fd) read(side);
    }
    deliver_due();
    ended_.clear();
  }
}

void RttRelay::accept_all() {
  for (;;) {
    UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) {
      if (errno == EAGAIN) return;
      if (errno == ECONNABORTED) continue;
      give_up("cannot accept");
    }
    auto link = std::make_shared<Link>();
    link->self = link;
    link->client.fd = std::move(fd);
    post(link->server, What::Connect);
    watch(link->client);
  }
}

void RttRelay::watch(Side& side) {
  const int on = 1;
  ::setsockopt(side.fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  // Edge-triggered: a side that has ended is reported once, not for ever.
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.ptr = &side}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, side.fd.get(), &event) != 0)
    give_up("cannot watch a connection");
}

void RttRelay::post(Side& to, What what, std::string bytes) {
  wire_.push_back({Clock::now() + way_, to.link->self, &to, what, std::move(bytes)});
}

void RttRelay::deliver_due() {
  while (!wire_.empty() && wire_.front().due <= Clock::now()) {
    Delivery delivery = std::move(wire_.front());
    wire_.pop_front();
    deliver(delivery);
  }
}

void RttRelay::deliver(Delivery& delivery) {
  Side& to = *delivery.to;
  if (delivery.what == What::Connect) return connect(to);
  if (!to.fd) return;
  switch (delivery.what) {
    case What::Connect:
      break;
    case What::Bytes:
      to.unsent += delivery.bytes;
      return flush(to);
    case What::Fin:
      to.out_ending = true;
      return flush(to);
    case What::Reset: {
      const linger abort{.l_onoff = 1, .l_linger = 0};
      ::setsockopt(to.fd.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
      return end(to);
    }
  }
}

void RttRelay::connect(Side& side) {
  Link& link = *side.link;
  if (!link.self) return;  // the client has reset it meanwhile
  UniqueFd fd;
  const int error = target_.connect(fd);
  if (error != 0 && error != EINPROGRESS) return post(link.client, What::Reset);
  side.fd = std::move(fd);
  watch(side);
}

void RttRelay::read(Side& side) {
  Side& opposite = side.link->opposite(side);
  while (!side.in_ended) {
    const ssize_t n = ::recv(side.fd.get(), scratch_.data(), scratch_.size(), 0);
    if (n < 0) {
      if (errno != EAGAIN) fail(side);
      return;
    }
    if (n > 0) {
      post(opposite, What::Bytes, {scratch_.data(), static_cast<std::size_t>(n)});
      continue;
    }
    side.in_ended = true;
    post(opposite, What::Fin);
    return finish(side);
  }
  // What comes behind a FIN can only be a reset: the answer to bytes that met a closed socket.
  if (pending_error(side.fd.get()) != 0) fail(side);
}

void RttRelay::flush(Side& side) {
  while (!side.unsent.empty()) {
    const ssize_t n = ::send(side.fd.get(), side.unsent.data(), side.unsent.size(), MSG_NOSIGNAL);
    if (n < 0) {
      if (errno != EAGAIN) fail(side);
      return;
    }
    side.unsent.erase(0, static_cast<std::size_t>(n));
  }
  if (!side.out_ending || side.out_ended) return;
  ::shutdown(side.fd.get(), SHUT_WR);
  side.out_ended = true;
  finish(side);
}

void RttRelay::finish(Side& side) {
  if (side.in_ended && side.out_ended) end(side);
}

// It was reset, which is news for the other side.
void RttRelay::fail(Side& side) {
  post(side.link->opposite(side), What::Reset);
  end(side);
}

void RttRelay::end(Side& side) {
  Link& link = *side.link;
  side.fd.reset();
  if (!link.client.fd && !link.server.fd) ended_.push_back(std::move(link.self));
}

}  // namespace holdfast::testing
