#include "worker/io/sessions.hpp"

#include <algorithm>
#include <cerrno>
#include <random>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "worker/core/ascii.hpp"

namespace holdfast::worker {
namespace {

constexpr std::size_t kScratch = 64 * 1024;
constexpr Millis kLinger{1'000};     // after a response: the client reads it and closes
constexpr Millis kQuietLinger{100};  // after nothing: there is no response to protect
constexpr std::uint32_t kReading = EPOLLIN | EPOLLRDHUP;

}  // namespace

void Connection::on_poll(std::uint32_t events) { owner.on_poll(*this, events); }

Sessions::Sessions(boost::asio::io_context& io, const Options& options, const Selector& selector,
                   AccessLog& log, std::function<void()> on_gone)
    : io_(io),
      options_(options),
      selector_(selector),
      log_(log),
      on_gone_(std::move(on_gone)),
      poller_(io, [this] { collect(); }),
      wheel_timer_(io),
      pid_(static_cast<std::uint64_t>(::getpid())),
      scratch_(kScratch) {
  head_limits_.max_head = options.max_head;
  std::random_device seed;
  id_text_.assign(32, '0');
  write_hex(id_text_.data(), (static_cast<std::uint64_t>(seed()) << 32) | seed());
}

Sessions::~Sessions() {
  shutting_down_ = true;
  while (first_ != nullptr) close(*first_);
}

void Sessions::set_default_header(std::string name, std::string value) {
  check_header(name, value);
  const auto same = [&](const auto& field) { return equals_ignoring_case(field.first, name); };
  std::erase_if(default_headers_, same);
  default_headers_.emplace_back(std::move(name), std::move(value));
  default_views_.clear();
  for (const auto& [key, text] : default_headers_) default_views_.push_back({key, text});
}

// Connections and their machine
// --------------------------------------------------------------------------------------

void Sessions::adopt(UniqueFd fd, PeerAddress peer, const std::string& listener) {
  auto connection = std::make_unique<Connection>(*this, std::move(fd), peer, listener);
  connection->number = ++accepted_;
  connection->interest = kReading;
  if (!poller_.add(connection->fd.get(), kReading, *connection))
    return;  // no memory for it: the client sees a close
  Connection& added = *connection.release();
  added.next = first_;
  if (first_ != nullptr) first_->previous = &added;
  first_ = &added;
  ++open_;
  if (draining_) {
    feed(added, ConnEvent::DrainBegan);
  } else {
    schedule(added, options_.header_timeout);
  }
}

void Sessions::feed(Connection& connection, ConnEvent event) {
  const ConnState before = connection.machine.state;
  const auto [next, effect] = step(connection.machine, event);
  connection.machine = next;
  switch (effect) {
    case ConnEffect::None:
    case ConnEffect::TellHijacker:
      break;
    case ConnEffect::StartGrace:
      start_grace(connection);
      break;
    case ConnEffect::Probe:
      probe(connection);
      break;
    case ConnEffect::HalfClose:
      half_close(connection, before != ConnState::Active);
      break;
    case ConnEffect::Close:
    case ConnEffect::Abort:
      close(connection);
      break;
  }
}

void Sessions::start_grace(Connection& connection) {
  schedule(connection, connection.machine.state == ConnState::New ? new_grace_ : idle_grace_);
}

// The last look before the close: a request that is already here is served.
void Sessions::probe(Connection& connection) {
  char byte = 0;
  const ssize_t n = ::recv(connection.fd.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  if (n > 0) {
    read(connection);
  } else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
    feed(connection, ConnEvent::PeerGone);
  } else {
    if (draining_) ++drained_.closed_idle;
    feed(connection, ConnEvent::Quiet);
  }
}

void Sessions::half_close(Connection& connection, bool quiet) {
  // A descriptor of this socket that somebody else holds would keep close() from sending the FIN
  // (unix(7) passing), and close() with unread bytes sends a RST that can destroy the last
  // response: so FIN first, then read until the peer's.
  ::shutdown(connection.fd.get(), SHUT_WR);
  set_interest(connection);
  schedule(connection, quiet ? kQuietLinger : kLinger);
}

void Sessions::linger(Connection& connection) {
  const ssize_t n = ::recv(connection.fd.get(), scratch_.data(), scratch_.size(), MSG_DONTWAIT);
  if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) feed(connection, ConnEvent::PeerGone);
}

void Sessions::close(Connection& connection) {
  if (!connection.fd) return;
  connection.machine.state = ConnState::Closed;
  if (connection.exchange != nullptr) detach_exchange(connection);
  wheel_.cancel(connection);
  poller_.remove(connection.fd.get());
  ::shutdown(connection.fd.get(), SHUT_WR);
  connection.fd.reset();
  if (sweep_at_ == &connection) sweep_at_ = connection.next;
  if (connection.previous != nullptr) {
    connection.previous->next = connection.next;
  } else {
    first_ = connection.next;
  }
  if (connection.next != nullptr) connection.next->previous = connection.previous;
  --open_;
  closed_.emplace_back(&connection);
  if (on_room) on_room();
  announce_if_gone();
}

void Sessions::collect() { closed_.clear(); }

void Sessions::announce_if_gone() {
  if (size() != 0 || gone_posted_ || shutting_down_) return;
  gone_posted_ = true;
  boost::asio::post(io_, [this] {
    gone_posted_ = false;
    collect();
    if (size() == 0) on_gone_();
  });
}

// Events
// -------------------------------------------------------------------------------------------------------------

void Sessions::set_interest(Connection& connection) {
  std::uint32_t wanted = kReading;
  if (const Exchange* exchange = connection.exchange; exchange != nullptr) {
    if (exchange->stage == Stage::Sending) wanted = EPOLLOUT;
    if (exchange->stage == Stage::Handling) {
      wanted = (exchange->body_callback ? EPOLLIN : 0U) | (exchange->unsent() != 0 ? EPOLLOUT : 0U);
    }
  }
  if (wanted == connection.interest) return;
  connection.interest = wanted;
  poller_.modify(connection.fd.get(), wanted, connection);
}

void Sessions::on_poll(Connection& connection, std::uint32_t events) {
  if (!connection.fd) return;  // closed earlier in this batch
  if (connection.machine.state == ConnState::Lingering) return linger(connection);
  if ((events & EPOLLOUT) != 0) {
    continue_sending(connection);
    if (!connection.fd || connection.machine.state == ConnState::Lingering) return;
  }
  constexpr std::uint32_t kGone = EPOLLERR | EPOLLHUP;
  if ((connection.interest & EPOLLIN) != 0) {
    if ((events & (kReading | kGone)) != 0) read(connection);
  } else if ((events & kGone) != 0) {
    feed(connection, ConnEvent::PeerGone);
  }
}

Stats Sessions::stats() const {
  Stats now = stats_;
  now.connections = open_;
  now.in_flight = exchanges_.size() - idle_exchanges_.size();
  now.idle = open_ - std::min<std::size_t>(open_, now.in_flight - orphaned_handlers_);
  return now;
}

}  // namespace holdfast::worker
