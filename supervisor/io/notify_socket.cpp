#include "supervisor/io/notify_socket.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <vector>

#include <boost/asio/posix/stream_descriptor.hpp>

#include "shared/core/whole_number.hpp"
#include "shared/io/syscall.hpp"

namespace holdfast::supervisor {
namespace {

constexpr int kDatagramsATurn = 64;
constexpr int kMostAncestors = 32;

// /proc/PID/stat, the field behind the command's name and the state; 0 when it cannot be known.
pid_t parent_by_proc(pid_t pid) {
  auto file = open_file("/proc/" + std::to_string(pid) + "/stat", O_RDONLY);
  if (!file) return 0;
  std::array<char, 512> buffer{};
  const ssize_t n = ::read(file->get(), buffer.data(), buffer.size() - 1);
  if (n <= 0) return 0;
  // The name may hold anything, also parentheses and spaces.
  const std::string_view text(buffer.data(), static_cast<std::size_t>(n));
  const std::size_t end = text.rfind(')');
  if (end == text.npos || text.size() < end + 4) return 0;
  const std::string_view parent = text.substr(end + 4);
  return whole_number<pid_t>(parent.substr(0, parent.find(' '))).value_or(0);
}

struct Datagram {
  std::string text;
  pid_t sender = 0;
  std::vector<UniqueFd> fds;  // closed with it: a barrier waits for that, and nothing is stored
};

// Nothing: none is there.
std::optional<Datagram> receive(int fd) {
  Datagram datagram;
  datagram.text.resize(kMaxNotifyMessage);
  iovec bytes{datagram.text.data(), datagram.text.size()};
  // SCM_MAX_FD descriptors and the credentials.
  alignas(cmsghdr) std::array<char, CMSG_SPACE(253 * sizeof(int)) + CMSG_SPACE(sizeof(ucred))>
      control{};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t size = -1;
  do {
    size = ::recvmsg(fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return std::nullopt;
  datagram.text.resize(static_cast<std::size_t>(size));
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr;
       part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET) continue;
    if (part->cmsg_type == SCM_CREDENTIALS) {
      ucred who{};
      std::memcpy(&who, CMSG_DATA(part), sizeof who);
      datagram.sender = who.pid;
    } else if (part->cmsg_type == SCM_RIGHTS) {
      const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (std::size_t i = 0; i < count; ++i) {
        int given = -1;
        std::memcpy(&given, CMSG_DATA(part) + i * sizeof(int), sizeof given);
        datagram.fds.emplace_back(given);
      }
    }
  }
  return datagram;
}

}  // namespace

bool is_family(pid_t sender, pid_t worker) {
  if (sender <= 0) return false;
  if (sender == worker || ::getpgid(sender) == worker) return true;
  pid_t ancestor = sender;
  for (int i = 0; i < kMostAncestors && ancestor > 1; ++i) {
    ancestor = parent_by_proc(ancestor);
    if (ancestor == worker) return true;
  }
  return false;
}

struct NotifySocket::State : std::enable_shared_from_this<State> {
  State(boost::asio::io_context& io, UniqueFd socket, pid_t of, Callbacks calls)
      : fd(std::move(socket)), watch(io, fd.get()), worker(of), callbacks(std::move(calls)) {}

  void stop() {
    open = false;
    if (watch.is_open()) watch.release();  // fd owns the descriptor
  }

  void wait() {
    watch.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](boost::system::error_code failed) {
                       if (failed || !self->open) return;
                       self->read();
                       if (self->open) self->wait();
                     });
  }

  void read() {
    const auto self = shared_from_this();  // a callback may destroy the socket that called it
    for (int i = 0; open && i < kDatagramsATurn; ++i) {
      const auto datagram = receive(fd.get());
      if (!datagram) return;
      if (is_family(datagram->sender, worker)) {
        callbacks.on_message(parse_notify(datagram->text));
      } else {
        callbacks.on_stranger(datagram->sender);
      }
    }
  }

  UniqueFd fd;
  boost::asio::posix::stream_descriptor watch;
  pid_t worker;
  Callbacks callbacks;
  bool open = true;
};

NotifySocket::NotifySocket(UniqueFd fd, std::string address)
    : address_(std::move(address)), fd_(std::move(fd)) {}

NotifySocket::~NotifySocket() {
  if (state_) state_->stop();
}

Result<NotifySocket> NotifySocket::open() {
  const std::string action = "open a socket for notifications";
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error(action, errno);
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
  // A bare family lets the kernel choose a name that nobody has (unix(7), autobind).
  sockaddr_un own{};
  own.sun_family = AF_UNIX;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own.sun_family) != 0)
    return errno_error(action, errno);
  socklen_t size = sizeof own;
  if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&own), &size) != 0)
    return errno_error(action, errno);
  const std::size_t length = size - offsetof(sockaddr_un, sun_path) - 1;
  return NotifySocket(std::move(fd), "@" + std::string(own.sun_path + 1, length));
}

void NotifySocket::start(boost::asio::io_context& io, pid_t worker, Callbacks callbacks) {
  state_ = std::make_shared<State>(io, std::move(fd_), worker, std::move(callbacks));
  state_->wait();
}

void NotifySocket::drain() {
  if (state_) state_->read();
}

}  // namespace holdfast::supervisor
