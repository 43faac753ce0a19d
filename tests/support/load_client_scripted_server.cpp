#include "tests/support/load_client_scripted_server.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cstring>
#include <netinet/in.h>
#include <stdexcept>
#include <sys/un.h>
#include <unistd.h>

namespace holdfast::testing {
namespace {

std::size_t content_length(std::string_view head) {
  const std::string_view name = "Content-Length: ";
  const std::size_t at = head.find(name);
  return at == std::string_view::npos ? 0
                                      : std::stoul(std::string(head.substr(at + name.size(), 20)));
}

UniqueFd listen_on(const sockaddr* address, socklen_t length) {
  UniqueFd socket(::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (bind(socket.get(), address, length) != 0 || listen(socket.get(), 64) != 0) {
    throw std::runtime_error("cannot listen: " + std::string(std::strerror(errno)));
  }
  return socket;
}

}  // namespace

std::string Peer::read_request() {
  std::array<char, 16384> bytes{};
  for (;;) {
    const std::size_t end = buffer_.find("\r\n\r\n");
    if (end != std::string::npos) {
      const std::size_t size = end + 4 + content_length(std::string_view(buffer_).substr(0, end));
      if (buffer_.size() >= size) {
        const std::string request = buffer_.substr(0, size);
        buffer_.erase(0, size);
        return request;
      }
    }
    const ssize_t n = recv(socket_.get(), bytes.data(), bytes.size(), 0);
    if (n <= 0) return {};
    buffer_.append(bytes.data(), static_cast<std::size_t>(n));
  }
}

void Peer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n <= 0) return;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
}

void Peer::answer(std::string_view response) {
  if (!read_request().empty()) send(response);
}

void Peer::half_close() {
  shutdown(socket_.get(), SHUT_WR);
  wait_for_close();
}

void Peer::reset() {
  const linger now{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket_.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
  socket_.reset();
}

void Peer::wait_for_close() {
  std::array<char, 4096> bytes{};
  while (recv(socket_.get(), bytes.data(), bytes.size(), 0) > 0) {
  }
}

ScriptedServer::ScriptedServer(std::vector<Script> scripts, const std::string& path)
    : scripts_(std::move(scripts)) {
  if (path.empty()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listener_ = listen_on(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    target_ = "127.0.0.1:" + std::to_string(local_port(listener_.get()));
  } else {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    listener_ = listen_on(reinterpret_cast<const sockaddr*>(&address), sizeof address);
    target_ = "unix:" + path;
  }
  thread_ = std::thread([this] { serve(); });
}

ScriptedServer::~ScriptedServer() {
  stop_listening();
  thread_.join();
}

void ScriptedServer::stop_listening() { shutdown(listener_.get(), SHUT_RDWR); }

void ScriptedServer::serve() {
  for (;;) {
    UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!socket) return;
    const auto n = static_cast<std::size_t>(accepted_++);
    Peer peer(std::move(socket));
    scripts_[std::min(n, scripts_.size() - 1)](peer);
  }
}

}  // namespace holdfast::testing
