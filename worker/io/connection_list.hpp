// All open connections of a worker, newest first, and one walk over them that goes on while they
// come and go. It owns none.
#pragma once

#include <cstddef>

#include "worker/io/connection.hpp"

namespace holdfast::worker {

struct StateCounts {
  std::size_t fresh = 0;
  std::size_t active = 0;
  std::size_t idle = 0;
};

class ConnectionList {
 public:
  void add(Connection& connection);
  void remove(Connection& connection);

  Connection* first() const { return first_; }
  std::size_t size() const { return size_; }
  StateCounts count_states() const;  // looks at every connection

  // Over those that are there now; one that has begun begins again.
  void begin_walk() { walk_at_ = first_; }
  bool walking() const { return walk_at_ != nullptr; }
  Connection& next_in_walk();  // REQUIRES: walking()

 private:
  Connection* first_ = nullptr;
  std::size_t size_ = 0;
  Connection* walk_at_ = nullptr;
};

}  // namespace holdfast::worker
