// Connections between two owners: how one is put into an offer, comes back, goes for good, and how
// one that another worker gave goes on here.
#include <algorithm>
#include <unistd.h>

#include "worker/io/handoff_giving.hpp"
#include "worker/io/sessions.hpp"
#include "worker/io/transport.hpp"

namespace holdfast::worker {
namespace {

using Micros = std::chrono::microseconds;

Micros micros(Clock::duration span) {
  return std::max(std::chrono::duration_cast<Micros>(span), Micros{0});
}

Endpoint endpoint(const PeerAddress& address) {
  if (!address.address()) return {};
  PeerAddress::Text text{};
  return {std::string(address.ip(text)), address.port()};
}

PeerAddress address(const Endpoint& endpoint) {
  const auto ip = IpAddress::parse(endpoint.ip);
  return ip ? PeerAddress::from(*ip, endpoint.port) : PeerAddress();
}

// What it is besides a socket fits into an offer: TLS has its state in this process.
bool can_move(const Connection& connection) {
  const ConnectionExtra* extra = connection.extra.get();
  return extra == nullptr ||
         (!extra->handshaking && !extra->proxy_pending && !extra->proxy && !extra->tls);
}

}  // namespace

// In a drain, with another worker. The sweep may not have come to it yet.
bool Sessions::stays_open(const Connection& connection) const {
  return connection.machine.draining ? connection.machine.moving
                                     : drain_.moving() && can_move(connection);
}

void Sessions::begin_leaving(Connection& connection) {
  const bool moves = drain_.moving() && can_move(connection);
  feed(connection, moves ? ConnEvent::HandoffBegan : ConnEvent::DrainBegan);
}

// False: what the service knows of it stays here, and so does it.
bool Sessions::carry_state(const Connection& connection, CarriedConnection& carried) {
  if (!hooks.give_state) return true;
  try {
    auto state = hooks.give_state(info_of(connection));
    if (!state || state->size() > kMaxCarriedState) return false;
    carried.state = std::move(*state);
    return true;
  } catch (...) {
    return false;
  }
}

std::optional<HandoffSource::Offering> Sessions::begin_offer(HandoffItem& item) {
  auto& connection = static_cast<Connection&>(item);
  Exchange* exchange = connection.exchange;
  const ConnState state = connection.machine.state;
  if (!connection.machine.moving) return std::nullopt;
  if (state == ConnState::Active) {
    if (exchange->stage != Stage::Head || exchange->in.size() > kMaxPending) return std::nullopt;
  } else if (state != ConnState::New && state != ConnState::Idle) {
    return std::nullopt;
  }
  const TimePoint at = now();
  Offering offering{connection.fd.get(), {}, std::nullopt};
  CarriedConnection& carried = offering.carried;
  carried.id = requests_.name_of(connection);
  carried.listener = connection.listener->name;
  carried.peer = endpoint(connection.peer);
  if (connection.extra && connection.extra->client)
    carried.client = endpoint(*connection.extra->client);
  carried.fresh = state == ConnState::New;
  carried.requests = connection.machine.requests;
  carried.age = micros(at - connection.opened);
  if (connection.scheduled()) {
    offering.deadline = connection.deadline();
    carried.left = micros(connection.deadline() - at);
  }
  if (state == ConnState::Active) {
    --carried.requests;
    carried.pending = exchange->in;
    carried.pending_for = micros(at - exchange->started);
  }
  if (!carry_state(connection, carried)) {
    feed(connection, ConnEvent::HandoffEnded);
    return std::nullopt;
  }
  feed(connection, ConnEvent::OfferMade);
  deadlines_.cancel(connection);
  poller_.remove(connection.fd.get());
  return offering;
}

void Sessions::take_back(HandoffItem& item, std::optional<TimePoint> deadline, bool again) {
  auto& connection = static_cast<Connection&>(item);
  if (!again) feed(connection, ConnEvent::HandoffEnded);
  connection.interest = kReading;
  if (!poller_.add(connection.fd.get(), kReading, connection)) return close(connection);
  if (deadline) deadlines_.schedule(connection, *deadline);
  feed(connection, ConnEvent::OfferReturned);
  if (connection.fd && connection.exchange != nullptr) on_bytes(connection, {});
  // What came meanwhile has waited long enough: it is served before the next offer.
  const ConnState state = connection.machine.state;
  const bool in_head = state == ConnState::Active && connection.exchange->stage == Stage::Head;
  if (state == ConnState::New || state == ConnState::Idle || in_head) read(connection);
}

void Sessions::let_go(HandoffItem& item) {
  auto& connection = static_cast<Connection&>(item);
  ++drained_.handed_off;
  feed(connection, ConnEvent::OfferReleased);
}

// The descriptor and nothing else: a shutdown(2) would end the connection for its new owner.
void Sessions::forsake(Connection& connection) {
  if (hooks.on_state) tell_state(connection);
  if (connection.exchange != nullptr)
    exchanges_.give_back(*std::exchange(connection.exchange, nullptr));
  connection.fd.reset();
  remove(connection);
}

// Nobody takes connections any more.
void Sessions::stop_moving() {
  if (drain_.stop_moving()) begin_sweep();
}

void Sessions::take_over(UniqueFd fd, CarriedConnection carried, std::uint64_t generation,
                         const ListenerProfile& listener) {
  Connection* connection = add(std::move(fd), address(carried.peer), listener);
  if (connection == nullptr) return;
  const TimePoint at = now();
  connection->opened = at - carried.age;
  connection->origin = std::make_unique<ConnectionOrigin>(ConnectionOrigin{carried.id, generation});
  connection->extra.reset();  // what its listener demands before the first request was had there
  if (carried.client) {
    connection->extra = std::make_unique<ConnectionExtra>();
    connection->extra->client = address(*carried.client);
  }
  connection->machine.state = carried.fresh ? ConnState::New : ConnState::Idle;
  connection->machine.requests = static_cast<std::uint32_t>(carried.requests);
  if (hooks.on_state) tell_state(*connection);
  if (hooks.take_state) {
    try {
      hooks.take_state(info_of(*connection), carried.state);
    } catch (...) {  // the connection is not the hook's to end
    }
  }
  if (carried.left) deadlines_.schedule(*connection, at + *carried.left);
  if (drain_.begun()) begin_leaving(*connection);
  if (carried.pending.empty() || !connection->fd) return;
  begin_exchange(*connection).started = at - carried.pending_for;
  on_bytes(*connection, carried.pending);
}

}  // namespace holdfast::worker
