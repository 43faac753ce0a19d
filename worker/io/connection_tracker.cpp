#include "holdfast/worker/connection_tracker.hpp"

#include <algorithm>
#include <atomic>
#include <fcntl.h>
#include <linux/tcp.h>
#include <mutex>
#include <netinet/in.h>
#include <string>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <utility>

#include "shared/io/unique_fd.hpp"
#include "worker/core/connection_book.hpp"
#include "worker/core/handoff_message.hpp"
#include "worker/io/peer_address.hpp"

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

namespace {

// Bytes the peer has ever sent (tcp(7), TCP_INFO); 0 where the kernel does not count them, as on
// Unix sockets.
std::uint64_t bytes_received(int fd) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (fd < 0 || ::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.tcpi_bytes_received;
}

// Nothing of a request is there: neither in the socket's queue nor, as far as the kernel knows, in
// the server's own buffer. A server that has read half of a head looks idle from outside.
bool quiet(int fd, std::uint64_t received) {
  if (fd < 0) return false;
  int unread = 0;
  if (::ioctl(fd, FIONREAD, &unread) == 0 && unread > 0) return false;
  return bytes_received(fd) == received;
}

// What has been received of the requests that are answered already.
std::uint64_t bytes_answered(const TakenConnection& taken) {
  int unread = 0;
  ::ioctl(taken.fd, FIONREAD, &unread);
  const std::uint64_t ahead = static_cast<std::uint64_t>(unread) + taken.pending.size();
  const std::uint64_t received = bytes_received(taken.fd);
  return received - std::min(received, ahead);
}

// False: it is gone already.
bool put_address(TakenConnection& given) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  if (::getpeername(given.fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return false;
  if (address.ss_family == AF_UNIX) return true;
  const PeerAddress peer = PeerAddress::from(address);
  PeerAddress::Text text{};
  given.remote_address = peer.ip(text);
  given.remote_port = peer.port();
  return true;
}

}  // namespace

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
    book_.sweep(Clock::now(), is_quiet, [](ConnectionBook::Entry& entry) {
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
    book_.cut_all(Clock::now(), is_quiet, [](ConnectionBook::Entry& entry) {
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

  static bool is_quiet(const ConnectionBook::Entry& entry) {
    const auto& node = static_cast<const Node&>(entry);
    return !node.moving && quiet(node.fd, node.received);
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
