#include "worker/io/worker_handoff.hpp"

#include <algorithm>
#include <fcntl.h>
#include <utility>

namespace holdfast::worker {
namespace {

using Micros = std::chrono::microseconds;

}  // namespace

WorkerHandoff::WorkerHandoff(WorkerLink& link, ConnectionTracker& tracker,
                             const std::vector<WorkerListener>& listeners, const Identity& identity)
    : link_(link),
      tracker_(tracker),
      listeners_(listeners),
      identity_(identity),
      loop_(link),
      giving_(loop_, *this),
      taking_(loop_, *this, [this] { link_.wake(); }) {}

void WorkerHandoff::meet(const Peer& peer, UniqueFd link) {
  if (peer.role == Peer::Role::Give) return giving_.add(peer.worker, std::move(link));
  taking_.add(peer.worker, std::move(link));
}

bool WorkerHandoff::begin_drain(bool moves) {
  taking_.begin_drain();
  const bool first = !std::exchange(draining_, true);
  if (!moves || !giving_.possible() || !taken) {
    stop_moving();
    giving_.recall();
    return false;
  }
  if (!first) return moving_;
  {
    const std::lock_guard lock(mutex_);
    moving_ = true;
  }
  tracker_.hand_off_by([this](TakenConnection given) { return park(std::move(given)); });
  return true;
}

void WorkerHandoff::end() {
  stop_moving();
  giving_.recall();
  taking_.end();
}

bool WorkerHandoff::listens(std::string_view name) const {
  return std::ranges::any_of(listeners_, [&](const auto& each) { return each.name == name; });
}

void WorkerHandoff::run() {
  queue_parked();
  loop_.run();
}

// Parked: given by the service, taken by nobody yet
// ----------------------------------------------------------------------------------------------

bool WorkerHandoff::park(TakenConnection given) {
  if (given.listener.empty() && listeners_.size() == 1) given.listener = listeners_.front().name;
  if (!listens(given.listener)) return false;
  const std::lock_guard lock(mutex_);
  if (!moving_) return false;
  // The taker may be a server that never blocks.
  if (const int flags = ::fcntl(given.fd, F_GETFL); (flags & O_NONBLOCK) == 0)
    ::fcntl(given.fd, F_SETFL, flags | O_NONBLOCK);
  Parked& parked = inbox_.emplace_back();
  parked.fd = UniqueFd(given.fd);
  parked.connection = std::move(given);
  ++parked_count_;
  link_.wake();
  return true;
}

void WorkerHandoff::queue_parked() {
  std::list<Parked> fresh;
  {
    const std::lock_guard lock(mutex_);
    fresh.swap(inbox_);
  }
  while (!fresh.empty()) {
    parked_.splice(parked_.end(), fresh, fresh.begin());
    Parked& parked = parked_.back();
    parked.place = std::prev(parked_.end());
    parked.number = ++numbers_;
    by_->queue(parked);
  }
}

void WorkerHandoff::forget(Parked& parked) {
  by_->forget(parked);
  parked_.erase(parked.place);
  --parked_count_;
}

void WorkerHandoff::give_back(Parked& parked) {
  TakenConnection connection = std::move(parked.connection);
  connection.fd = parked.fd.release();
  connection.returned = true;
  taken(std::move(connection));
  forget(parked);
}

std::optional<HandoffSource::Offering> WorkerHandoff::begin_offer(HandoffItem& item) {
  const auto& parked = static_cast<const Parked&>(item);
  const TakenConnection& connection = parked.connection;
  Offering offering{parked.fd.get(), {}, std::nullopt};
  CarriedConnection& carried = offering.carried;
  carried.id = {identity_.generation, identity_.worker, parked.number};
  carried.listener = connection.listener;
  carried.peer = {connection.remote_address, connection.remote_port};
  carried.fresh = connection.requests == 0 && connection.pending.empty();
  carried.requests = connection.requests;
  carried.age = std::chrono::duration_cast<Micros>(Clock::now() - connection.accepted);
  carried.pending = connection.pending;
  carried.state = connection.state;
  return offering;
}

void WorkerHandoff::take_back(HandoffItem& item, std::optional<TimePoint> /*deadline*/,
                              bool again) {
  if (again && moving_) return by_->queue(item);
  give_back(static_cast<Parked&>(item));
}

void WorkerHandoff::let_go(HandoffItem& item) {
  ++handed_off_;
  forget(static_cast<Parked&>(item));
  link_.wake();  // it may have been the last one
}

// What is offered comes back by take_back(), or goes.
void WorkerHandoff::stop_moving() {
  if (!moving_) return;
  tracker_.hand_off_by(nullptr);
  {
    const std::lock_guard lock(mutex_);
    moving_ = false;
  }
  queue_parked();
  std::vector<Parked*> waiting;
  for (Parked& each : parked_) {
    if (each.queue_place != 0) waiting.push_back(&each);
  }
  for (Parked* each : waiting) give_back(*each);
  if (on_stopped) on_stopped();
}

// Taken
// ----------------------------------------------------------------------------------------------

bool WorkerHandoff::takes(const CarriedConnection& carried) const {
  return taken && listens(carried.listener);
}

std::size_t WorkerHandoff::connections() const {
  return tracker_.counts().connections + parked_count_;
}

void WorkerHandoff::take_over(UniqueFd fd, CarriedConnection carried,
                              std::uint64_t /*generation*/) {
  const Endpoint& remote = carried.client ? *carried.client : carried.peer;
  TakenConnection connection;
  connection.fd = fd.release();
  connection.listener = std::move(carried.listener);
  connection.remote_address = remote.ip;
  connection.remote_port = remote.port;
  connection.pending = std::move(carried.pending);
  connection.state = std::move(carried.state);
  connection.requests = carried.requests;
  connection.accepted = Clock::now() - carried.age;
  taken(std::move(connection));
}

}  // namespace holdfast::worker
