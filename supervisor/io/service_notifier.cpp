#include "supervisor/io/service_notifier.hpp"

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/core/whole_number.hpp"
#include "shared/io/syscall.hpp"

namespace holdfast::supervisor {
namespace {

// A manager that reads nothing for a while gets the latest; what it would do with older ones is
// over anyway.
constexpr std::size_t kMostWaiting = 64;

std::string variable(const char* name) {
  const char* text = std::getenv(name);
  return text != nullptr ? text : "";
}

std::optional<std::uint64_t> positive_number(const std::string& text) {
  const auto value = whole_number<std::uint64_t>(text);
  return value != 0U ? value : std::nullopt;
}

// A path, or "@name" of the abstract namespace.
UniqueFd connect_to_manager(const std::string& address) {
  sockaddr_un target{};
  target.sun_family = AF_UNIX;
  const bool known = !address.empty() && (address.front() == '/' || address.front() == '@');
  if (!known || address.size() >= sizeof target.sun_path) return {};
  std::memcpy(target.sun_path, address.data(), address.size());
  std::size_t size = offsetof(sockaddr_un, sun_path) + address.size();
  if (address.front() == '@') {
    target.sun_path[0] = '\0';
  } else {
    ++size;
  }
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return {};
  const auto* name = reinterpret_cast<const sockaddr*>(&target);
  if (::connect(fd.get(), name, static_cast<socklen_t>(size)) != 0) return {};
  return fd;
}

// CLOCK_MONOTONIC as systemd reads it; steady_clock is the same clock with libstdc++, by accident.
std::uint64_t monotonic_micros() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec) / 1'000;
}

}  // namespace

ServiceNotifier::ServiceNotifier(boost::asio::io_context& io) : watch_(io), timer_(io) {
  notices_.pid = ::getpid();
  socket_ = connect_to_manager(variable("NOTIFY_SOCKET"));
  // Set for another process when it came through one that did not care to unset it.
  const std::string meant_for = variable("WATCHDOG_PID");
  if (meant_for.empty() || meant_for == std::to_string(notices_.pid)) {
    notices_.watchdog_usec = positive_number(variable("WATCHDOG_USEC"));
  }
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "FDSTORE"}) {
    ::unsetenv(name);
  }
  if (socket_) watch_.assign(socket_.get());
}

ServiceNotifier::~ServiceNotifier() {
  if (watch_.is_open()) watch_.release();  // socket_ owns the descriptor
}

void ServiceNotifier::begin() { arm(); }

void ServiceNotifier::tell(const Report& report) {
  if (!socket_) return;
  const ServicePhase before = notices_.phase;
  std::string text = notice_of(notices_, report, monotonic_micros());
  if (!text.empty()) send(std::move(text));
  if (notices_.phase != before) arm();
}

void ServiceNotifier::store(const std::string& name, int fd) {
  auto copy = duplicate(fd);
  // FDPOLL=0: systemd drops what hangs up, and a listener that a worker shut down does.
  if (copy) send("FDSTORE=1\nFDPOLL=0\nFDNAME=" + name, std::move(*copy));
}

void ServiceNotifier::remove_stored(const std::string& name) {
  send("FDSTOREREMOVE=1\nFDNAME=" + name);
}

void tell_manager_now(const std::string& text) {
  const UniqueFd socket = connect_to_manager(variable("NOTIFY_SOCKET"));
  if (socket) ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void ServiceNotifier::send(std::string text, UniqueFd fd) {
  if (!socket_ || text.empty()) return;
  waiting_.push_back({std::move(text), std::move(fd)});
  if (waiting_.size() > kMostWaiting) waiting_.pop_front();
  if (flushing_) return;
  while (!waiting_.empty() && send_now(waiting_.front())) waiting_.pop_front();
  if (!waiting_.empty()) flush_later();
}

// False: the manager's queue is full.
bool ServiceNotifier::send_now(const Datagram& datagram) {
  iovec bytes{const_cast<char*>(datagram.text.data()), datagram.text.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (datagram.fd) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    const int fd = datagram.fd.get();
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  }
  ssize_t sent = -1;
  do {
    sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  } while (sent < 0 && errno == EINTR);
  return sent >= 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

void ServiceNotifier::flush_later() {
  flushing_ = true;
  watch_.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                    [this](boost::system::error_code failed) {
                      flushing_ = false;
                      if (failed) return;
                      while (!waiting_.empty() && send_now(waiting_.front())) waiting_.pop_front();
                      if (!waiting_.empty()) flush_later();
                    });
}

void ServiceNotifier::arm() {
  const auto after = tick_after_usec(notices_);
  if (!socket_ || !after) {
    timer_.cancel();
    return;
  }
  timer_.expires_after(std::chrono::microseconds(*after));
  timer_.async_wait([this](boost::system::error_code cancelled) {
    if (cancelled) return;
    send(tick_notice(notices_));
    arm();
  });
}

}  // namespace holdfast::supervisor
