#include "worker/io/sessions.hpp"

#include <algorithm>
#include <unistd.h>

#include "worker/core/ascii.hpp"
#include "worker/core/keep_alive_hint.hpp"
#include "worker/io/handoff_giving.hpp"
#include "worker/io/transport.hpp"

namespace holdfast::worker {

Sessions::Sessions(boost::asio::io_context& io, LoopClock& clock, const Options& options,
                   const Selector& selector, AccessLog& log, std::function<void()> on_gone)
    : io_(io),
      clock_(clock),
      options_(options),
      selector_(selector),
      on_gone_(std::move(on_gone)),
      poller_(io, [this] { collect(); }),
      deadlines_(
          io, clock,
          [this](Timer& timer) {
            now();  // as bytes do
            on_timer(static_cast<Connection&>(timer));
          },
          [this] { collect(); }),
      requests_(log, wall_, options),
      keep_alive_lines_(render_keep_alive(options.keep_alive_hint, options.keep_alive_timeout)),
      scratch_(kReceiveSize) {
  head_limits_.max_head = options.max_head;
  if (!options.request_id_header.empty()) check_header(options.request_id_header, {});
}

Sessions::~Sessions() {
  shutting_down_ = true;
  while (all_.first() != nullptr) close(*all_.first());
}

void Sessions::set_default_header(std::string name, std::string value) {
  check_header(name, value);
  default_headers_.set(std::move(name), std::move(value));
}

// Connections and their machine
// --------------------------------------------------------------------------------------

void Sessions::adopt(UniqueFd fd, PeerAddress peer, const ListenerProfile& listener) {
  Connection* added = add(std::move(fd), peer, listener);
  if (added == nullptr) return;
  requests_.listeners().accepted(listener.place);
  if (drain_.begun()) return begin_leaving(*added);
  schedule(*added, listener.tls ? options_.tls.handshake_timeout : options_.header_timeout);
}

// Nothing where there is no memory for it: the client sees a close.
Connection* Sessions::add(UniqueFd fd, PeerAddress peer, const ListenerProfile& listener) {
  auto connection = std::make_unique<Connection>(*this, std::move(fd), peer, listener);
  connection->number = ++accepted_;
  connection->opened = now();
  connection->interest = kReading;
  if (listener.tls || listener.proxy_protocol) {
    connection->extra = std::make_unique<ConnectionExtra>();
    connection->extra->handshaking = listener.tls;
    connection->extra->proxy_pending = listener.proxy_protocol;
  }
  if (!poller_.add(connection->fd.get(), kReading, *connection)) return nullptr;
  Connection* added = connection.release();
  all_.add(*added);
  if (hooks.on_count) hooks.on_count();
  if (hooks.on_state) call_state_hook(*added, ConnectionState::New, ConnectionState::New);
  return added;
}

void Sessions::feed(Connection& connection, ConnEvent event) {
  const ConnState before = connection.machine.state;
  const auto [next, effect] = step(connection.machine, event);
  connection.machine = next;
  if (hooks.on_state) tell_state(connection);
  switch (effect) {
    case ConnEffect::None:
    case ConnEffect::TellHijacker:
      break;
    case ConnEffect::StartGrace:
      start_grace(connection);
      break;
    case ConnEffect::QueueOffer:
      giving_->queue(connection);
      break;
    case ConnEffect::LetGo:
      forsake(connection);
      break;
    case ConnEffect::Probe:
      probe(connection);
      break;
    case ConnEffect::HalfClose:
      half_close(connection, before == ConnState::New || before == ConnState::Idle);
      break;
    case ConnEffect::Close:
    case ConnEffect::Abort:
      close(connection);
      break;
  }
}

void Sessions::start_grace(Connection& connection) {
  schedule(connection, drain_.next_grace(connection.machine.state));
}

Drained Sessions::drained() const {
  Drained all = drained_;
  all.refused = refused() - refused_before_;
  return all;
}

Stats Sessions::stats() const {
  Stats now = stats_;
  now.connections = all_.size();
  now.in_flight = exchanges_.in_use();
  now.idle =
      now.connections - std::min<std::size_t>(now.connections, now.in_flight - orphaned_handlers_);
  now.listeners = requests_.listeners().report();
  return now;
}

}  // namespace holdfast::worker
