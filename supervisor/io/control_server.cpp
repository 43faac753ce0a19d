#include "supervisor/io/control_server.hpp"

#include <algorithm>
#include <cerrno>
#include <sys/socket.h>
#include <unistd.h>
#include <vector>

#include <boost/asio/post.hpp>

#include "supervisor/io/control_peer.hpp"

namespace holdfast::supervisor {
namespace {

// Without a free descriptor the listener stays readable: looking again at once would spin.
constexpr Millis kAcceptPause{100};
constexpr Millis kRefusalsApart{1'000};

}  // namespace

ControlServer::ControlServer(boost::asio::io_context& io, Callbacks callbacks, ControlLimits limits)
    : io_(io), callbacks_(std::move(callbacks)), limits_(limits), watch_(io), pause_(io) {}

ControlServer::~ControlServer() {
  if (watch_.is_open()) watch_.release();  // socket_ owns the descriptor
  const auto all = clients_;
  for (const auto& client : all) client->close();
}

void ControlServer::listen(ControlSocketFile socket) {
  socket_ = std::move(socket);
  watch_.assign(socket_->listener.fd.get());
  wait();
}

Result<bool> ControlServer::restore(const std::string& group) {
  if (!socket_ || is_at_its_path(socket_->listener)) return false;
  HOLDFAST_ASSIGN(ControlSocketFile fresh, open_control_socket(socket_->listener.path, group));
  if (watch_.is_open()) watch_.release();
  pause_.cancel();
  listen(std::move(fresh));
  return true;
}

void ControlServer::wait() {
  watch_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [this](boost::system::error_code failed) {
                      if (!failed) accept_some();
                    });
}

void ControlServer::accept_some() {
  constexpr int kATurn = 16;
  for (int i = 0; i < kATurn; ++i) {
    UniqueFd socket(
        ::accept4(socket_->listener.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      const int error = errno;
      if (error == EAGAIN) return wait();
      if (error == EINTR || error == ECONNABORTED) continue;
      pause_.expires_after(kAcceptPause);
      pause_.async_wait([this](boost::system::error_code cancelled) {
        if (!cancelled) wait();
      });
      return;
    }
    auto peer = control_peer(socket.get());
    if (!peer) continue;
    if (const auto why = refusal(*peer)) {
      const bool stranger = !may_control(*peer, ::geteuid(), socket_->group);
      const std::string line =
          error_reply(*why, stranger ? ExitCode::PermissionDenied : ExitCode::Failure);
      (void)::send(socket.get(), line.data(), line.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      report_later("operator_refused", *peer, *why);
      continue;
    }
    adopt(std::move(socket), std::move(*peer), ControlAccess::Full);
  }
  wait();
}

std::optional<std::string> ControlServer::refusal(const ControlPeer& peer) const {
  if (!may_control(peer, ::geteuid(), socket_->group))
    return "cannot use the control socket: uid " + std::to_string(peer.uid) +
           " is neither root nor its owner nor in its group";
  // Others must not be able to lock out those who are responsible.
  const bool ours = peer.uid == 0 || peer.uid == ::geteuid();
  const auto same = std::ranges::count_if(
      clients_, [&](const auto& client) { return client->peer().uid == peer.uid; });
  if (static_cast<std::size_t>(same) < limits_.clients_per_user &&
      (ours || clients_.size() < limits_.clients))
    return std::nullopt;
  return "cannot use the control socket: too many connections";
}

void ControlServer::adopt(UniqueFd socket, ControlPeer peer, ControlAccess access) {
  ControlClient::Callbacks callbacks;
  callbacks.on_line = callbacks_.on_line;
  callbacks.on_gone = [this](ControlClient& gone, const std::string& why) {
    if (!why.empty()) report_later("operator_dropped", gone.peer(), why);
    std::erase_if(clients_, [&](const auto& client) { return client.get() == &gone; });
  };
  try {
    auto client = std::make_shared<ControlClient>(io_, std::move(socket), std::move(peer), access,
                                                  limits_, std::move(callbacks));
    clients_.push_back(client);
    client->start();
  } catch (const boost::system::system_error&) {
    // The kernel watches no more descriptors for us; the client sees the end of its connection.
  }
}

void ControlServer::serve(UniqueFd end, ControlAccess access) {
  adopt(std::move(end), ControlPeer{::getpid(), ::geteuid(), ::getegid(), {}}, access);
}

void ControlServer::broadcast(std::string_view line, bool output) {
  if (std::ranges::none_of(clients_, [](const auto& client) { return client->follows(); })) return;
  const std::vector<std::shared_ptr<ControlClient>> all(clients_.begin(), clients_.end());
  for (const auto& client : all) {
    if (client->follows() && (!output || client->follows_output())) client->send(line);
  }
}

// Refusals are told at most once a second: a loop of connects must not fill the log.
void ControlServer::report_later(const char* event, const ControlPeer& peer,
                                 const std::string& reason) {
  const TimePoint now = Clock::now();
  if (now - last_refusal_ < kRefusalsApart) return;
  last_refusal_ = now;
  Report said = warning(event)
                    .with("pid", static_cast<std::uint64_t>(peer.pid))
                    .with("uid", std::uint64_t{peer.uid})
                    .with("reason", reason);
  boost::asio::post(io_, [this, said = std::move(said)] { callbacks_.on_report(said); });
}

void ControlServer::finish(Millis timeout) {
  if (socket_) {
    const BoundListener& listener = socket_->listener;
    (void)unlink_own_socket(listener.path, listener.device, listener.inode);
    if (watch_.is_open()) watch_.release();
    pause_.cancel();
  }
  const TimePoint deadline = Clock::now() + timeout;
  const std::vector<std::shared_ptr<ControlClient>> all(clients_.begin(), clients_.end());
  for (const auto& client : all) client->flush_until(deadline);
}

}  // namespace holdfast::supervisor
