#include "holdfast/worker/connection_tracker.hpp"

#include <memory>
#include <utility>

#include "worker/io/tracker_impl.hpp"

namespace holdfast::worker {

ConnectionTracker::Connection::Connection(Connection&& other) noexcept
    : tracker_(std::exchange(other.tracker_, nullptr)),
      node_(std::exchange(other.node_, nullptr)) {}

ConnectionTracker::Connection& ConnectionTracker::Connection::operator=(
    Connection&& other) noexcept {
  if (this != &other) {
    closed();
    tracker_ = std::exchange(other.tracker_, nullptr);
    node_ = std::exchange(other.node_, nullptr);
  }
  return *this;
}

void ConnectionTracker::Connection::set_fd(int fd) {
  if (node_ != nullptr) tracker_->impl_->set_fd(*node_, fd);
}
void ConnectionTracker::Connection::active() {
  if (node_ != nullptr) tracker_->impl_->active(*node_);
}
void ConnectionTracker::Connection::answering() {
  if (node_ != nullptr) tracker_->impl_->answering(*node_);
}
void ConnectionTracker::Connection::idle() {
  if (node_ != nullptr) tracker_->impl_->idle(*node_);
}
bool ConnectionTracker::Connection::should_close() const {
  return node_ == nullptr || tracker_->impl_->should_close(*node_);
}
bool ConnectionTracker::Connection::should_move() const {
  return node_ != nullptr && tracker_->impl_->should_move(*node_);
}
bool ConnectionTracker::Connection::hand_off(std::string_view pending, std::string_view state) {
  if (node_ == nullptr || !tracker_->impl_->hand_off(*node_, pending, state)) return false;
  closed();
  return true;
}
void ConnectionTracker::Connection::closed() {
  if (node_ == nullptr) return;
  const std::unique_ptr<Node> node(std::exchange(node_, nullptr));
  std::exchange(tracker_, nullptr)->impl_->leave(*node);
}

ConnectionTracker::ConnectionTracker() : impl_(std::make_unique<Impl>()) {}
ConnectionTracker::~ConnectionTracker() = default;

ConnectionTracker::Connection ConnectionTracker::open(int fd, std::string_view listener) {
  auto node = std::make_unique<Connection::Node>();
  node->fd = fd;
  node->listener = listener;
  node->accepted = Clock::now();
  return enter(std::move(node));
}

ConnectionTracker::Connection ConnectionTracker::open(const TakenConnection& taken) {
  auto node = std::make_unique<Connection::Node>();
  node->fd = taken.fd;
  node->listener = taken.listener;
  node->accepted = taken.accepted;
  node->stays = taken.returned;
  node->received = bytes_answered(taken);
  node->machine.requests = static_cast<std::uint32_t>(taken.requests);
  if (taken.requests > 0) node->machine.state = ConnState::Idle;
  return enter(std::move(node));
}

ConnectionTracker::Connection ConnectionTracker::enter(std::unique_ptr<Connection::Node> node) {
  impl_->enter(*node);
  Connection connection;
  connection.tracker_ = this;
  connection.node_ = node.release();
  return connection;
}

bool ConnectionTracker::draining() const { return impl_->draining(); }
ConnectionTracker::Counts ConnectionTracker::counts() const {
  const ConnectionBook::Counts counts = impl_->counts();
  return {counts.connections, counts.active, counts.requests, counts.closed_idle, counts.cut};
}
void ConnectionTracker::on_attention(std::function<void()> attention) {
  impl_->on_attention(std::move(attention));
}
void ConnectionTracker::begin_lame_duck() { impl_->begin_lame_duck(); }
void ConnectionTracker::begin_drain(Duration new_grace, Duration idle_grace, Duration idle_spread) {
  impl_->begin_drain(new_grace, idle_grace, idle_spread);
}
void ConnectionTracker::hand_off_by(std::function<bool(TakenConnection)> take) {
  impl_->hand_off_by(std::move(take));
}
void ConnectionTracker::check() { impl_->check(); }
std::optional<ConnectionTracker::TimePoint> ConnectionTracker::next_check() const {
  return impl_->next_check();
}
void ConnectionTracker::cut() { impl_->cut(); }

}  // namespace holdfast::worker
