#include "worker/io/connection_list.hpp"

namespace holdfast::worker {

void ConnectionList::add(Connection& connection) {
  connection.next = first_;
  if (first_ != nullptr) first_->previous = &connection;
  first_ = &connection;
  ++size_;
}

// Its own links stay, for whoever stands on it.
void ConnectionList::remove(Connection& connection) {
  if (walk_at_ == &connection) walk_at_ = connection.next;
  if (connection.previous != nullptr) {
    connection.previous->next = connection.next;
  } else {
    first_ = connection.next;
  }
  if (connection.next != nullptr) connection.next->previous = connection.previous;
  --size_;
}

StateCounts ConnectionList::count_states() const {
  StateCounts counts;
  for (const Connection* each = first_; each != nullptr; each = each->next) {
    counts.fresh += each->machine.state == ConnState::New ? 1 : 0;
    counts.active += each->machine.state == ConnState::Active ? 1 : 0;
    counts.idle += each->machine.state == ConnState::Idle ? 1 : 0;
  }
  return counts;
}

Connection& ConnectionList::next_in_walk() {
  Connection& connection = *walk_at_;
  walk_at_ = connection.next;
  return connection;
}

}  // namespace holdfast::worker
