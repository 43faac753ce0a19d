// The book of a ConnectionTracker behind its mutex, and what it does to sockets. Any thread.
#pragma once

#include <atomic>
#include <fcntl.h>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <utility>

#include "holdfast/worker/connection_tracker.hpp"
#include "shared/io/unique_fd.hpp"
#include "worker/core/connection_book.hpp"
#include "worker/core/handoff_message.hpp"
#include "worker/io/tracked_socket.hpp"

namespace holdfast::worker {

struct ConnectionTracker::Connection::Node : ConnectionBook::Entry {
  int fd = -1;
  std::uint64_t received = 0;  // on TCP, up to the end of the last request
  bool answering = false;      // `received` is already that of the request under way
  std::string listener;
  TimePoint accepted{};
  bool stays = false;   // nobody took it
  bool moving = false;  // it may be somebody else's already: not to be touched
};

class ConnectionTracker::Impl {
 public:
  using Node = Connection::Node;

  void enter(Node& node) {
    const std::lock_guard lock(mutex_);
    book_.enter(node, Clock::now());
    changed();
  }

  void leave(Node& node) {
    const std::lock_guard lock(mutex_);
    book_.leave(node);
    changed();
  }

  void set_fd(Node& node, int fd) {
    const std::lock_guard lock(mutex_);
    node.fd = fd;
  }

  void active(Node& node) {
    const std::lock_guard lock(mutex_);
    book_.request_began(node, Clock::now());
    changed();
  }

  void answering(Node& node) {
    const std::uint64_t received = bytes_received(node.fd);
    const std::lock_guard lock(mutex_);
    node.received = received;
    node.answering = true;
  }

  void idle(Node& node) {
    const std::uint64_t received = node.answering ? node.received : bytes_received(node.fd);
    const std::lock_guard lock(mutex_);
    node.received = received;
    node.answering = false;
    book_.response_done(node, Clock::now());
    changed();
  }

  bool should_close(const Node& node) const {
    if (lame_duck_.load(std::memory_order_relaxed)) return true;
    if (draining()) return !should_move(node);
    const std::lock_guard lock(mutex_);
    return must_say_close(node.machine, false);
  }

  bool should_move(const Node& node) const {
    if (!moving_.load(std::memory_order_relaxed) || !draining()) return false;
    const std::lock_guard lock(mutex_);
    return may_move(node);
  }

  bool hand_off(Node& node, std::string_view pending, std::string_view state) {
    if (pending.size() > kMaxPending || state.size() > kMaxCarriedState) return false;
    UniqueFd copy(::fcntl(node.fd, F_DUPFD_CLOEXEC, 0));
    TakenConnection given;
    given.fd = copy.get();
    if (!copy || !put_address(given)) return false;
    given.listener = node.listener;
    given.pending = pending;
    given.state = state;
    given.accepted = node.accepted;
    std::function<bool(TakenConnection)> take;
    {
      const std::lock_guard lock(mutex_);
      if (!take_ || !draining() || !may_move(node)) return false;
      take = take_;
      node.moving = true;
      given.requests = node.machine.requests;
      // The one that was active() already is to be begun by the next owner.
      if (node.machine.state == ConnState::Active && !pending.empty()) --given.requests;
    }
    if (take(std::move(given))) {
      (void)copy.release();
      return true;
    }
    const std::lock_guard lock(mutex_);
    node.moving = false;
    return false;
  }

  void hand_off_by(std::function<bool(TakenConnection)> take) {
    const std::lock_guard lock(mutex_);
    moving_ = static_cast<bool>(take);
    take_ = std::move(take);
  }

  bool draining() const { return draining_.load(std::memory_order_relaxed); }

  ConnectionBook::Counts counts() {
    const std::lock_guard lock(mutex_);
    told_ = false;
    return book_.counts();
  }

  void on_attention(std::function<void()> attention) {
    const std::lock_guard lock(mutex_);
    attention_ = std::move(attention);
  }

  void begin_lame_duck() { lame_duck_ = true; }

  void begin_drain(Millis new_grace, Millis idle_grace, Millis idle_spread) {
    const std::lock_guard lock(mutex_);
    draining_ = true;
    book_.begin_drain(new_grace, idle_grace, idle_spread, Clock::now());
    changed();
  }

  void check() {
    const std::lock_guard lock(mutex_);
    book_.sweep(Clock::now(), rests, [](ConnectionBook::Entry& entry) {
      ::shutdown(static_cast<Node&>(entry).fd, SHUT_RD);
    });
    next_check_ = book_.next_sweep();
  }

  std::optional<TimePoint> next_check() {
    const std::lock_guard lock(mutex_);
    next_check_ = book_.next_sweep();
    return next_check_;
  }

  void cut() {
    const std::lock_guard lock(mutex_);
    book_.cut_all(Clock::now(), rests, [](ConnectionBook::Entry& entry) {
      const auto& node = static_cast<const Node&>(entry);
      if (node.fd >= 0 && !node.moving) ::shutdown(node.fd, SHUT_RDWR);
    });
  }

 private:
  // Once it was told to leave, it leaves.
  static bool may_move(const Node& node) {
    const ConnState state = node.machine.state;
    return node.fd >= 0 && !node.stays && state != ConnState::Lingering &&
           state != ConnState::Closed;
  }

  static bool rests(const ConnectionBook::Entry& entry) {
    const auto& node = static_cast<const Node&>(entry);
    return !node.moving && is_quiet(node.fd, node.received);
  }

  void changed() {
    bool tell = !std::exchange(told_, true);
    if (book_.draining()) {
      if (book_.counts().connections == 0) tell = true;
      const auto next = book_.next_sweep();
      if (next && (!next_check_ || *next < *next_check_)) {
        next_check_ = next;
        tell = true;
      }
    }
    if (tell && attention_) attention_();
  }

  mutable std::mutex mutex_;
  ConnectionBook book_;
  std::function<void()> attention_;
  std::optional<TimePoint> next_check_;  // as the driver knows it
  bool told_ = false;                    // of a change since counts()
  std::atomic<bool> draining_ = false;
  std::atomic<bool> lame_duck_ = false;
  std::atomic<bool> moving_ = false;
  std::function<bool(TakenConnection)> take_;
};

}  // namespace holdfast::worker
