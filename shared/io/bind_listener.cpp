#include "shared/io/bind_listener.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "shared/core/overloaded.hpp"

namespace holdfast {
namespace {

constexpr int kBacklog = 4096;

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

SocketAddress tcp_address(const TcpAddress& address, int family) {
  SocketAddress result;
  if (family == AF_INET) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(address.port);
    if (!address.host.empty()) ::inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr);
    std::memcpy(&result.storage, &v4, sizeof v4);
    result.size = sizeof v4;
  } else {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(address.port);
    if (!address.host.empty()) ::inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr);
    std::memcpy(&result.storage, &v6, sizeof v6);
    result.size = sizeof v6;
  }
  return result;
}

SocketAddress unix_address(const UnixAddress& address) {
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  std::memcpy(local.sun_path, address.path.data(), address.path.size());
  if (address.abstract()) local.sun_path[0] = '\0';
  SocketAddress result;
  std::memcpy(&result.storage, &local, sizeof local);
  // An abstract name is exactly as long as given; a path ends at its NUL (unix(7)).
  const std::size_t terminator = address.abstract() ? 0 : 1;
  result.size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.path.size() + terminator);
  return result;
}

Result<UniqueFd> open_socket(int family, const std::string& name) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno_error("create a socket for " + name, errno);
  return fd;
}

Result<void> bind_and_listen(int fd, const SocketAddress& address, const std::string& name) {
  if (::bind(fd, address.get(), address.size) != 0) return errno_error("bind " + name, errno);
  if (::listen(fd, kBacklog) != 0) return errno_error("listen on " + name, errno);
  return {};
}

std::uint16_t bound_port(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size);
  if (storage.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &storage, sizeof v6);
    return ntohs(v6.sin6_port);
  }
  sockaddr_in v4{};
  std::memcpy(&v4, &storage, sizeof v4);
  return ntohs(v4.sin_port);
}

Result<BoundListener> bind_tcp(const TcpAddress& address) {
  const bool every = address.host.empty();
  const int family = every || address.host.find(':') != std::string::npos ? AF_INET6 : AF_INET;
  const std::string name = to_string(address);
  auto opened = open_socket(family, name);
  int used = family;
  if (!opened && every && opened.error().code == EAFNOSUPPORT) {
    used = AF_INET;
    opened = open_socket(used, name);
  }
  if (!opened) return opened.error();
  UniqueFd fd = std::move(*opened);
  const int on = 1;
  const int v6_only = every ? 0 : 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (used == AF_INET6) ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
  auto bound = bind_and_listen(fd.get(), tcp_address(address, used), name);
  if (!bound && every && used == AF_INET6 && bound.error().code == EADDRNOTAVAIL) {
    // IPv6 is compiled in but turned off (net.ipv6.conf.all.disable_ipv6).
    HOLDFAST_ASSIGN(fd, open_socket(AF_INET, name));
    ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bound = bind_and_listen(fd.get(), tcp_address(address, AF_INET), name);
  }
  if (!bound) return bound.error();
  TcpAddress real = address;
  real.port = bound_port(fd.get());
  return BoundListener{std::move(fd), to_string(real)};
}

// Removes a socket file that nobody listens on; whether it may be bound then.
Result<void> remove_stale(const UnixAddress& address, const std::string& name) {
  struct stat info {};
  if (::lstat(address.path.c_str(), &info) != 0) return {};
  if (!S_ISSOCK(info.st_mode))
    return Error{"cannot bind " + name + ": a file that is no socket is in the way", EEXIST};
  HOLDFAST_ASSIGN(const UniqueFd probe, open_socket(AF_UNIX, name));
  const SocketAddress target = unix_address(address);
  if (::connect(probe.get(), target.get(), target.size) == 0 || errno != ECONNREFUSED) {
    return errno_error("bind " + name, EADDRINUSE);
  }
  if (::unlink(address.path.c_str()) != 0)
    return errno_error("remove the stale socket " + address.path, errno);
  return {};
}

Result<void> set_owner(const UnixAddress& address) {
  uid_t user = static_cast<uid_t>(-1);
  gid_t group = static_cast<gid_t>(-1);
  if (!address.user.empty()) {
    const passwd* entry = ::getpwnam(address.user.c_str());
    if (entry == nullptr) return plain_error("find user " + address.user, "no such user");
    user = entry->pw_uid;
  }
  if (!address.group.empty()) {
    const ::group* entry = ::getgrnam(address.group.c_str());
    if (entry == nullptr) return plain_error("find group " + address.group, "no such group");
    group = entry->gr_gid;
  }
  if ((!address.user.empty() || !address.group.empty()) &&
      ::chown(address.path.c_str(), user, group) != 0) {
    return errno_error("change the owner of " + address.path, errno);
  }
  return {};
}

Result<BoundListener> bind_unix(const UnixAddress& address) {
  const std::string name = to_string(address);
  if (!address.abstract()) HOLDFAST_TRY(remove_stale(address, name));
  HOLDFAST_ASSIGN(UniqueFd fd, open_socket(AF_UNIX, name));
  const SocketAddress target = unix_address(address);
  // The mode is right from the first instant: the file is made with what the umask leaves (bind(2)
  // honours it).
  const mode_t old_mask =
      ::umask(address.mode ? static_cast<mode_t>(~*address.mode & 0777U) : 0117);
  const auto bound = bind_and_listen(fd.get(), target, name);
  ::umask(old_mask);
  if (!bound) return bound.error();
  if (!address.abstract()) {
    if (const auto owned = set_owner(address); !owned) {
      ::unlink(address.path.c_str());
      return owned.error();
    }
  }
  return BoundListener{std::move(fd), name};
}

}  // namespace

Result<BoundListener> bind_listener(const ListenerSpec& spec) {
  return std::visit(overloaded{[](const TcpAddress& tcp) { return bind_tcp(tcp); },
                               [](const UnixAddress& local) { return bind_unix(local); }},
                    spec.address);
}

}  // namespace holdfast
