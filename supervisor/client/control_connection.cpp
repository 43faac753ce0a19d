#include "supervisor/client/control_connection.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <poll.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/io/syscall.hpp"

namespace holdfast::supervisor {
namespace {

int poll_timeout(std::optional<TimePoint> deadline) {
  if (!deadline) return -1;
  const auto left = std::chrono::ceil<Millis>(*deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000'000));
}

std::string action_for(const Target& target) { return "reach the supervisor " + target.shown; }

// The runtime directory may be one in /tmp that somebody else made first, to give false verdicts.
Result<void> trust_server(int fd, const Target& target) {
  ucred owner{};
  socklen_t size = sizeof owner;
  if (!target.by_name || ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &owner, &size) != 0) return {};
  if (owner.uid == 0 || owner.uid == ::geteuid()) return {};
  Error error = plain_error(action_for(target),
                            "uid " + std::to_string(owner.uid) + " listens on " + target.path);
  error.code = EPERM;
  return error;
}

}  // namespace

void throw_exception_from_error(const Failure& failure, const boost::source_location&) {
  throw std::runtime_error(failure.message);
}

Result<ControlConnection> ControlConnection::open(const Target& target) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (target.path.size() >= sizeof address.sun_path)
    return plain_error(action_for(target), "a socket's path has at most 107 bytes");
  target.path.copy(address.sun_path, target.path.size());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error(action_for(target), errno);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int cause = errno;
    struct stat info {};
    // connect(2) says of every file without a listener that it refuses.
    if (cause == ECONNREFUSED && ::stat(target.path.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode))
      return plain_error(action_for(target), "it is no socket");
    return errno_error(action_for(target), cause);
  }
  HOLDFAST_TRY(trust_server(fd.get(), target));
  return ControlConnection(std::move(fd), target);
}

Result<void> ControlConnection::ask(const OperatorRequest& request) {
  const std::string line = encode_request(request) + "\n";
  // It is far below what a socket's buffer takes at once. A server that refuses us may have closed
  // already; then what it said is still to be read.
  if (::send(fd_.get(), line.data(), line.size(), MSG_NOSIGNAL) < 0 && errno != EPIPE)
    return errno_error(action_for(target_), errno);
  return {};
}

ControlConnection::Heard ControlConnection::next(std::optional<TimePoint> deadline, int also) {
  for (;;) {
    if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
      Heard heard{Heard::Kind::Line, buffer_.substr(0, end)};
      buffer_.erase(0, end + 1);
      return heard;
    }
    std::array<pollfd, 2> watched{pollfd{fd_.get(), POLLIN, 0}, pollfd{also, POLLIN, 0}};
    const int ready = ::poll(watched.data(), watched.size(), poll_timeout(deadline));
    if (ready < 0 && errno != EINTR) return {Heard::Kind::End, {}};
    if (ready == 0) return {Heard::Kind::TimedOut, {}};
    if (watched[1].revents != 0) return {Heard::Kind::Interrupted, {}};
    if (watched[0].revents == 0) continue;
    std::array<char, 16 * 1024> bytes;
    const ssize_t n = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n > 0) {
      buffer_.append(bytes.data(), static_cast<std::size_t>(n));
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
      return {Heard::Kind::End, {}};
    }
  }
}

Answer ControlConnection::understand(const std::string& line) const {
  auto reply = nlohmann::json::parse(line, nullptr, false);
  if (!reply.is_object())
    return Failure{ExitCode::Failure, "cannot understand the supervisor " + target_.shown +
                                          ": its reply is no JSON object"};
  if (reply.value("reply", "") != "error") return Reply{std::move(reply), line};
  const int code = reply.value("code", to_int(ExitCode::Failure));
  return Failure{static_cast<ExitCode>(code), reply.value("error", "")};
}

Answer ControlConnection::reply_to(const OperatorRequest& request, Millis within) {
  if (auto asked = ask(request); !asked) return failure_of(asked.error(), target_);
  const Heard heard = next(Clock::now() + within);
  if (heard.kind == Heard::Kind::Line) return understand(heard.line);
  if (heard.kind == Heard::Kind::TimedOut)
    return Failure{ExitCode::TimedOut,
                   "cannot reach the supervisor " + target_.shown + ": it does not answer"};
  return Failure{ExitCode::NotRunning,
                 "cannot reach the supervisor " + target_.shown + ": it ended"};
}

// The pid of who listens is that of who bound the socket (unix(7), SO_PEERCRED); the end of the
// connection comes a little before that of the process, and another may only take its name after.
bool ControlConnection::wait_for_its_end(std::optional<TimePoint> deadline) {
  ucred owner{};
  socklen_t size = sizeof owner;
  UniqueFd process;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_PEERCRED, &owner, &size) == 0 && owner.pid > 0)
    process.reset(static_cast<int>(::syscall(SYS_pidfd_open, owner.pid, 0)));
  for (;;) {
    const Heard heard = next(deadline, process.get());
    if (heard.kind == Heard::Kind::TimedOut) return false;
    if (heard.kind == Heard::Kind::Interrupted) return true;
    if (heard.kind == Heard::Kind::Line) continue;
    if (!process) return true;
    pollfd end{process.get(), POLLIN, 0};
    return ::poll(&end, 1, poll_timeout(deadline)) > 0;
  }
}

}  // namespace holdfast::supervisor
