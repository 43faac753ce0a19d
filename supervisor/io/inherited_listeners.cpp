#include "supervisor/io/inherited_listeners.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <fcntl.h>
#include <netinet/in.h>
#include <optional>
#include <string_view>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "shared/core/whole_number.hpp"
#include "shared/io/syscall.hpp"

namespace holdfast::supervisor {
namespace {

constexpr int kFirst = 3;    // SD_LISTEN_FDS_START
constexpr int kMost = 1024;  // more is a mistake, not a service

std::optional<long> number_in(const char* variable) {
  const char* text = std::getenv(variable);
  return text != nullptr ? whole_number<long>(text) : std::nullopt;
}

std::vector<std::string> names_given() {
  const char* text = std::getenv("LISTEN_FDNAMES");
  std::vector<std::string> names;
  if (text == nullptr) return names;
  std::string_view rest = text;
  for (std::size_t end = 0; end != rest.npos; rest.remove_prefix(std::min(end + 1, rest.size()))) {
    end = rest.find(':');
    names.emplace_back(rest.substr(0, end));
    if (end == rest.npos) break;
  }
  return names;
}

int option(int fd, int level, int name) {
  int value = 0;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, level, name, &value, &size) == 0 ? value : -1;
}

template <int Family, typename Address>
std::string ip_text(const Address& address) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  return ::inet_ntop(Family, &address, text.data(), text.size());
}

std::string address_of(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return {};
  if (storage.ss_family == AF_INET) {
    const auto& four = reinterpret_cast<const sockaddr_in&>(storage);
    return to_string(TcpAddress{ip_text<AF_INET>(four.sin_addr), ntohs(four.sin_port)});
  }
  if (storage.ss_family == AF_INET6) {
    const auto& six = reinterpret_cast<const sockaddr_in6&>(storage);
    const bool both =
        IN6_IS_ADDR_UNSPECIFIED(&six.sin6_addr) && option(fd, IPPROTO_IPV6, IPV6_V6ONLY) == 0;
    const std::string host = both ? std::string() : ip_text<AF_INET6>(six.sin6_addr);
    return to_string(TcpAddress{host, ntohs(six.sin6_port)});
  }
  if (storage.ss_family != AF_UNIX) return {};
  const auto& local = reinterpret_cast<const sockaddr_un&>(storage);
  std::string path(local.sun_path, size - offsetof(sockaddr_un, sun_path));
  if (!path.empty() && path.front() == '\0') {
    path.front() = '@';
  } else {
    path.resize(std::min(path.size(), path.find('\0')));
  }
  return to_string(UnixAddress{path, {}, {}, {}});
}

Result<InheritedListener> take(int fd, std::string name) {
  UniqueFd own(fd);
  const std::string what = "use descriptor " + std::to_string(fd) + " of LISTEN_FDS";
  std::string address = address_of(fd);
  if (option(fd, SOL_SOCKET, SO_ACCEPTCONN) != 1 ||
      option(fd, SOL_SOCKET, SO_TYPE) != SOCK_STREAM || address.empty()) {
    return plain_error(what, "it is no listening TCP or Unix stream socket");
  }
  HOLDFAST_TRY(set_cloexec(fd, true));
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return errno_error(what, errno);
  const bool stored = name.starts_with(kStoredPrefix);
  if (stored) name.erase(0, kStoredPrefix.size());
  return InheritedListener{std::move(name), std::move(address), std::move(own), stored};
}

// What systemd 259 sets beside LISTEN_PID, because a pid may be used again: the inode of the
// process's pidfd, which is unique where pidfds have a file system of their own (Linux 6.9).
// Nothing: this kernel cannot tell.
std::optional<std::uint64_t> own_pidfd_id() {
  constexpr auto kPidfs = 0x50494446;  // PID_FS_MAGIC (linux/magic.h)
  const UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
  struct statfs system {};
  struct stat info {};
  if (!self || ::fstatfs(self.get(), &system) != 0 || system.f_type != kPidfs) return std::nullopt;
  if (::fstat(self.get(), &info) != 0) return std::nullopt;
  return info.st_ino;
}

bool meant_for_us() {
  if (number_in("LISTEN_PID") != ::getpid()) return false;
  const auto wanted = number_in("LISTEN_PIDFDID");
  const auto own = own_pidfd_id();
  return !wanted || !own || static_cast<std::uint64_t>(*wanted) == *own;
}

void forget_variables() {
  std::vector<std::string> ours;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view variable = *entry;
    if (variable.starts_with("LISTEN_")) ours.emplace_back(variable.substr(0, variable.find('=')));
  }
  for (const std::string& variable : ours) ::unsetenv(variable.c_str());
}

// `:80` is every address, and IPv4 alone where there is no IPv6.
bool same_address(const InheritedListener& listener, const ListenerSpec& spec) {
  if (listener.address == to_string(spec.address)) return true;
  const auto* tcp = std::get_if<TcpAddress>(&spec.address);
  return tcp != nullptr && tcp->host.empty() &&
         listener.address == to_string(TcpAddress{"0.0.0.0", tcp->port});
}

Result<InheritedListener> claim(std::vector<InheritedListener>& given, const ListenerSpec& spec) {
  const auto named = [&](const InheritedListener& one) { return one.name == spec.name; };
  const auto namesakes = std::ranges::count_if(given, named);
  auto found = given.end();
  if (namesakes == 1) {
    found = std::ranges::find_if(given, named);
  } else {
    found = std::ranges::find_if(given, [&](const InheritedListener& one) {
      return (namesakes == 0 || named(one)) && same_address(one, spec);
    });
    if (found == given.end() && namesakes > 1) {
      return plain_error(
          "choose a socket for " + spec.name + "=" + to_string(spec.address),
          std::to_string(namesakes) + " are named " + spec.name + " and none has that address");
    }
  }
  if (found == given.end()) return InheritedListener{};
  InheritedListener chosen = std::move(*found);
  given.erase(found);
  return chosen;
}

}  // namespace

Result<std::vector<InheritedListener>> take_inherited_listeners() {
  const bool ours = meant_for_us();
  const char* sockets = std::getenv("LISTEN_FDS");
  const bool some = sockets != nullptr && *sockets != '\0';
  const long count = some ? number_in("LISTEN_FDS").value_or(-1) : 0;
  const std::vector<std::string> names = names_given();
  forget_variables();
  std::vector<InheritedListener> listeners;
  if (!ours || count == 0) return listeners;
  if (count < 0 || count > kMost)
    return plain_error("use LISTEN_FDS", "it is no number of sockets");
  if (!names.empty() && names.size() != static_cast<std::size_t>(count))
    return plain_error("use LISTEN_FDNAMES", "there are " + std::to_string(names.size()) +
                                                 " names for " + std::to_string(count) +
                                                 " sockets");
  for (int i = 0; i < count; ++i) {
    const auto place = static_cast<std::size_t>(i);
    const std::string name = names.empty() ? std::string() : names[place];
    auto listener = take(kFirst + i, name);
    // Our own from before, and dead: a start must not fail for it.
    if (!listener && name.starts_with(kStoredPrefix)) continue;
    if (!listener) return listener.error();
    listeners.push_back(std::move(*listener));
  }
  return listeners;
}

std::vector<std::string> drop_stale_listeners(std::vector<InheritedListener>& given,
                                              const std::vector<ListenerSpec>& specs) {
  std::vector<std::string> dropped;
  std::erase_if(given, [&](const InheritedListener& one) {
    const bool wanted = std::ranges::any_of(specs, [&](const ListenerSpec& spec) {
      const auto* tcp = std::get_if<TcpAddress>(&spec.address);
      const bool any_port = tcp != nullptr && tcp->port == 0;
      return spec.name == one.name && (any_port || same_address(one, spec));
    });
    if (!one.stored || wanted) return false;
    dropped.push_back(std::string(kStoredPrefix) + one.name);
    return true;
  });
  return dropped;
}

Result<std::vector<InheritedListener>> match_listeners(const std::vector<ListenerSpec>& specs,
                                                       std::vector<InheritedListener> given) {
  std::vector<InheritedListener> matched;
  for (const ListenerSpec& spec : specs) {
    HOLDFAST_ASSIGN(InheritedListener listener, claim(given, spec));
    matched.push_back(std::move(listener));
  }
  if (given.empty()) return matched;
  const InheritedListener& stray = given.front();
  const std::string name = stray.name.empty() ? std::string() : stray.name + "=";
  return plain_error("use the socket " + name + stray.address + " of LISTEN_FDS",
                     "no --listen names it");
}

}  // namespace holdfast::supervisor
