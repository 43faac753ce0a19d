#include "shared/io/bind_listener.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/core/overloaded.hpp"
#include "shared/io/socket_access.hpp"

namespace holdfast {
namespace {

// Connections that wait to be accepted cost the kernel little and a refused client much; the kernel
// lowers it to net.core.somaxconn (4096 since Linux 5.4).
constexpr int kBacklog = 4096;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
  sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
};

SocketAddress inet_address(const TcpAddress& tcp) {
  SocketAddress address;
  if (tcp.host.find(':') != std::string::npos || tcp.host.empty()) {
    auto* six = reinterpret_cast<sockaddr_in6*>(&address.storage);
    six->sin6_family = AF_INET6;
    six->sin6_port = htons(tcp.port);
    if (!tcp.host.empty()) ::inet_pton(AF_INET6, tcp.host.c_str(), &six->sin6_addr);
    address.size = sizeof *six;
  } else {
    auto* four = reinterpret_cast<sockaddr_in*>(&address.storage);
    four->sin_family = AF_INET;
    four->sin_port = htons(tcp.port);
    ::inet_pton(AF_INET, tcp.host.c_str(), &four->sin_addr);
    address.size = sizeof *four;
  }
  return address;
}

// A leading '@' stands for the NUL byte of the abstract namespace (unix(7)).
SocketAddress unix_address(const UnixAddress& local) {
  SocketAddress address;
  auto* un = reinterpret_cast<sockaddr_un*>(&address.storage);
  un->sun_family = AF_UNIX;
  std::memcpy(un->sun_path, local.path.data(), local.path.size());
  if (local.abstract()) un->sun_path[0] = '\0';
  const std::size_t terminator = local.abstract() ? 0 : 1;
  address.size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + local.path.size() + terminator);
  return address;
}

Result<UniqueFd> open_socket(int family, const std::string& name) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("bind " + name, errno);
  return fd;
}

void set_flag(int fd, int level, int option, int value) {
  ::setsockopt(fd, level, option, &value, sizeof value);
}

constexpr int kKeepAliveIdle = 180;  // s; below what routers in between remember

Result<UniqueFd> bind_inet(const TcpAddress& tcp, const std::string& name) {
  const SocketAddress address = inet_address(tcp);
  HOLDFAST_ASSIGN(UniqueFd fd, open_socket(address.storage.ss_family, name));
  set_flag(fd.get(), SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.storage.ss_family == AF_INET6) {
    // Said both ways, because the default is a sysctl (net.ipv6.bindv6only).
    set_flag(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, tcp.host.empty() ? 0 : 1);
  }
  if (::bind(fd.get(), address.get(), address.size) != 0) {
    return errno_error("bind " + name, errno);
  }
  set_connection_options(fd.get());
  if (::listen(fd.get(), kBacklog) != 0) return errno_error("listen on " + name, errno);
  return fd;
}

Result<BoundListener> bind_tcp(const TcpAddress& tcp) {
  const std::string shown = to_string(ListenAddress{tcp});
  auto fd = bind_inet(tcp, shown);
  if (!fd && tcp.host.empty() &&
      (fd.error().code == EAFNOSUPPORT || fd.error().code == EADDRNOTAVAIL)) {
    fd = bind_inet({"0.0.0.0", tcp.port}, shown);  // a machine without IPv6
  }
  if (!fd) return fd.error();
  SocketAddress bound;
  bound.size = sizeof bound.storage;
  if (::getsockname(fd->get(), bound.get(), &bound.size) != 0) {
    return errno_error("read the port of " + shown, errno);
  }
  // The port is at the same place in both families.
  const auto port = ntohs(reinterpret_cast<const sockaddr_in*>(&bound.storage)->sin_port);
  BoundListener listener;
  listener.fd = std::move(*fd);
  listener.address = to_string(ListenAddress{TcpAddress{tcp.host, port}});
  listener.port = port;
  return listener;
}

// A socket file that nobody listens on any more is removed. Everything else stays: a live server's
// socket, or a file that somebody typed by mistake.
Result<void> clear_stale(const UnixAddress& local, const SocketAddress& address,
                         const std::string& shown) {
  struct stat info {};
  if (::lstat(local.path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode)) return plain_error("bind " + shown, "a file is there, no socket");
  HOLDFAST_ASSIGN(const UniqueFd probe, open_socket(AF_UNIX, shown));
  if (::connect(probe.get(), address.get(), address.size) == 0 || errno != ECONNREFUSED) {
    return errno_error("bind " + shown, EADDRINUSE);
  }
  return unlink_own_socket(local.path, info.st_dev, info.st_ino);
}

Result<void> give_to_owner(const UnixAddress& local, const std::string& shown) {
  HOLDFAST_ASSIGN(const SocketOwner owner, find_owner(local, "bind " + shown));
  if (::lchown(local.path.c_str(), owner.user, owner.group) != 0) {
    return errno_error("give " + shown + " to its owner", errno);
  }
  return {};
}

Result<void> give_and_listen(int fd, const UnixAddress& local, const std::string& shown) {
  const bool owned = !local.user.empty() || !local.group.empty();
  if (owned && !local.abstract()) HOLDFAST_TRY(give_to_owner(local, shown));
  if (::listen(fd, kBacklog) != 0) return errno_error("listen on " + shown, errno);
  return {};
}

Result<BoundListener> bind_unix(const UnixAddress& local) {
  const std::string shown = to_string(ListenAddress{local});
  const SocketAddress address = unix_address(local);
  if (!local.abstract()) HOLDFAST_TRY(clear_stale(local, address, shown));
  HOLDFAST_ASSIGN(UniqueFd fd, open_socket(AF_UNIX, shown));
  // The mode is right from birth: with chmod(2) alone others could connect for a moment.
  const mode_t old_mask = local.mode ? ::umask(~*local.mode & 0777) : 0;
  const int bound = ::bind(fd.get(), address.get(), address.size);
  const int error = errno;
  if (local.mode) ::umask(old_mask);
  if (bound != 0) return errno_error("bind " + shown, error);
  BoundListener listener;
  if (!local.abstract()) {
    struct stat info {};
    if (::lstat(local.path.c_str(), &info) != 0) return errno_error("bind " + shown, errno);
    listener.path = local.path;
    listener.device = info.st_dev;
    listener.inode = info.st_ino;
  }
  if (const auto listening = give_and_listen(fd.get(), local, shown); !listening) {
    if (!local.abstract()) ::unlink(local.path.c_str());
    return listening.error();
  }
  listener.address = shown;
  listener.fd = std::move(fd);
  return listener;
}

}  // namespace

void set_connection_options(int listener) {
  set_flag(listener, IPPROTO_TCP, TCP_NODELAY, 1);
  set_flag(listener, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_flag(listener, IPPROTO_TCP, TCP_KEEPIDLE, kKeepAliveIdle);
}

Result<BoundListener> bind_listener(const ListenAddress& address) {
  return std::visit(overloaded{[](const TcpAddress& tcp) { return bind_tcp(tcp); },
                               [](const UnixAddress& local) { return bind_unix(local); }},
                    address);
}

Result<void> unlink_own_socket(const std::string& path, dev_t device, ino_t inode) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    if (errno == ENOENT) return {};
    return errno_error("remove " + path, errno);
  }
  if (info.st_dev != device || info.st_ino != inode) return {};
  if (::unlink(path.c_str()) != 0) return errno_error("remove " + path, errno);
  return {};
}

bool is_at_its_path(const BoundListener& listener) {
  if (listener.path.empty()) return true;
  struct stat info {};
  return ::lstat(listener.path.c_str(), &info) == 0 && info.st_dev == listener.device &&
         info.st_ino == listener.inode;
}

Result<void> listen_again(int listener, const TcpAddress& address) {
  const std::string name = to_string(address);
  const SocketAddress wanted = inet_address(address);
  // A second shutdown(2), of another worker, finds a socket that does not listen and marks it as
  // shut all the same; listen(2) keeps that mark, and whoever is accepted then is at its end at
  // once. Dissolving the association clears it and keeps address and port (connect(2), AF_UNSPEC).
  sockaddr nothing{};
  nothing.sa_family = AF_UNSPEC;
  if (::connect(listener, &nothing, sizeof nothing) != 0)
    return errno_error("revive " + name, errno);
  // The shutdown gave the port back if the kernel had chosen it; otherwise it is still ours and
  // bind(2) says EINVAL.
  if (::bind(listener, wanted.get(), wanted.size) != 0 && errno != EINVAL) {
    return errno_error("bind " + name, errno);
  }
  if (::listen(listener, kBacklog) != 0) return errno_error("listen on " + name, errno);
  return {};
}

}  // namespace holdfast
