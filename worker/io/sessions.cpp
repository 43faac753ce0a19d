#include "worker/io/sessions.hpp"

#include <algorithm>
#include <cerrno>
#include <random>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>

namespace holdfast::worker {
namespace {

constexpr std::size_t kScratch = 64 * 1024;
constexpr std::size_t kSweepBatch = 64;  // so that no request waits for the sweep
constexpr std::size_t kPooledExchanges = 64;
constexpr int kCutReads = 16;        // scratch buffers of a request's body that a cut reads over
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

// Exchanges
// ----------------------------------------------------------------------------------------------------------

Exchange& Sessions::begin_exchange(Connection& connection) {
  if (connection.exchange == nullptr) {
    if (idle_exchanges_.empty()) {
      exchanges_.push_back(std::make_unique<Exchange>(*this));
      exchanges_.back()->place = exchanges_.size() - 1;
      idle_exchanges_.push_back(exchanges_.back().get());
    }
    connection.exchange = idle_exchanges_.back();
    idle_exchanges_.pop_back();
    connection.exchange->connection = &connection;
  }
  Exchange& exchange = *connection.exchange;
  exchange.started = Clock::now();
  feed(connection, ConnEvent::BytesArrived);
  return exchange;
}

// The connection is going; its request, if one is in flight, gets its line now.
void Sessions::detach_exchange(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (!exchange.logged && !shutting_down_) {
    if (exchange.completion == Completion::Ok) exchange.completion = Completion::ClientAborted;
    if (!exchange.head_sent) exchange.status = exchange.completion == Completion::Cut ? 503 : 499;
    log(exchange, connection);
  }
  connection.exchange = nullptr;
  exchange.connection = nullptr;
  if (exchange.handler_running) {
    ++orphaned_handlers_;
    if (!shutting_down_) fail_callbacks(exchange);
  } else {
    release(exchange);
  }
}

void Sessions::release(Exchange& exchange) {
  if (idle_exchanges_.size() >= kPooledExchanges) {
    const std::size_t place = exchange.place;
    std::swap(exchanges_[place], exchanges_.back());
    exchanges_[place]->place = place;
    exchanges_.pop_back();
    return;
  }
  exchange.reset_request();
  exchange.in.clear();
  if (exchange.in.capacity() > kScratch) exchange.in.shrink_to_fit();
  exchange.connection = nullptr;
  idle_exchanges_.push_back(&exchange);
}

// Time
// ---------------------------------------------------------------------------------------------------------------

void Sessions::schedule(Connection& connection, Millis after) {
  wheel_.schedule(connection, Clock::now() + after);
  arm_wheel();
}

void Sessions::arm_wheel() {
  const auto wake = wheel_.next_wake();
  if (!wake || (wheel_armed_ && *wheel_armed_ <= *wake)) return;
  wheel_armed_ = wake;
  wheel_timer_.expires_at(*wake);
  wheel_timer_.async_wait([this](boost::system::error_code failed) {
    if (failed) return;
    wheel_armed_.reset();
    wheel_.advance(Clock::now(),
                   [this](Timer& timer) { on_timer(static_cast<Connection&>(timer)); });
    collect();
    arm_wheel();
  });
}

void Sessions::on_timer(Connection& connection) {
  if (connection.machine.state == ConnState::Active) {
    time_out_request(connection);
  } else {
    feed(connection, ConnEvent::TimedOut);
  }
}

void Sessions::time_out_request(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  if (exchange.head_sent) return abort(connection, Completion::Timeout);
  exchange.completion = Completion::Timeout;
  if (exchange.stage == Stage::Handling) {
    // The handler waits for a body that does not come. It is told, and what it has not answered by
    // then is a 408.
    fail_callbacks(exchange);
    return;
  }
  reject(connection, 408, "the request took too long", Completion::Timeout);
}

// Drain
// --------------------------------------------------------------------------------------------------------------

void Sessions::begin_drain(Millis new_grace, Millis idle_grace) {
  new_grace_ = draining_ ? std::min(new_grace_, new_grace) : new_grace;
  idle_grace_ = draining_ ? std::min(idle_grace_, idle_grace) : idle_grace;
  draining_ = true;
  const bool sweeping = sweep_at_ != nullptr;
  sweep_at_ = first_;
  if (!sweeping && first_ != nullptr) sweep();
  announce_if_gone();
}

void Sessions::sweep() {
  for (std::size_t i = 0; i < kSweepBatch && sweep_at_ != nullptr; ++i) {
    Connection& connection = *sweep_at_;
    sweep_at_ = connection.next;
    if (connection.machine.draining) {
      shorten_grace(connection);
    } else {
      feed(connection, ConnEvent::DrainBegan);
    }
  }
  if (sweep_at_ != nullptr) boost::asio::post(io_, [this] { sweep(); });
}

// A full stop in the middle of a reload's drain: who already waits for its grace waits less.
void Sessions::shorten_grace(Connection& connection) {
  const ConnState state = connection.machine.state;
  if (state != ConnState::New && state != ConnState::Idle) return;
  const Millis grace = state == ConnState::New ? new_grace_ : idle_grace_;
  wheel_.schedule(connection, std::min(connection.deadline(), Clock::now() + grace));
  arm_wheel();
}

void Sessions::cut_all() {
  while (first_ != nullptr) cut(*first_, Completion::Cut);
  collect();
}

void Sessions::cut(Connection& connection, Completion why) {
  const ConnState state = connection.machine.state;
  if (Exchange* exchange = connection.exchange; exchange != nullptr) {
    exchange->completion = why;
    mark_incomplete(connection);
    if (!exchange->head_sent) {
      // Nobody will answer it any more: say so, as far as one write goes.
      exchange->set_plain_answer(503, "the server is stopping\n");
      exchange->close_after = true;
      exchange->finish_body();
      send(connection, *exchange);
      // Unread bytes would turn our FIN into a RST, which can destroy this answer.
      ::shutdown(connection.fd.get(), SHUT_WR);
      for (int i = 0; i<kCutReads&& ::recv(connection.fd.get(), scratch_.data(), scratch_.size(),
                                           MSG_DONTWAIT)> 0;
           ++i) {
      }
    }
  }
  if (state == ConnState::Active || state == ConnState::Hijacked) ++drained_.cut;
  if (state == ConnState::New || state == ConnState::Idle) ++drained_.closed_idle;
  feed(connection, ConnEvent::DrainExpired);
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
