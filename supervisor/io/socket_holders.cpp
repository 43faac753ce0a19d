#include "supervisor/io/socket_holders.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <set>
#include <vector>

#include "supervisor/io/sock_diag.hpp"

namespace holdfast::supervisor {
namespace {

std::set<std::string> listening_inodes(std::uint16_t port) {
  std::set<std::string> inodes;
  for_each_tcp_socket(1U << TCP_LISTEN, [&](const inet_diag_msg& socket) {
    if (ntohs(socket.id.idiag_sport) == port)
      inodes.insert("socket:[" + std::to_string(socket.idiag_inode) + "]");
  });
  return inodes;
}

std::string command_of(const std::filesystem::path& process) {
  std::ifstream file(process / "comm");
  std::string name;
  std::getline(file, name);
  return name;
}

// A process may end while it is looked at: then its folder cannot be read on, and it holds nothing.
bool holds(const std::filesystem::path& process, const std::set<std::string>& inodes) {
  std::error_code failed;
  std::error_code gone;
  for (std::filesystem::directory_iterator fd(process / "fd", failed), end; !failed && fd != end;
       fd.increment(failed)) {
    if (inodes.contains(std::filesystem::read_symlink(fd->path(), gone).string())) return true;
  }
  return false;
}

}  // namespace

std::string holders_of_port(std::uint16_t port) {
  const std::set<std::string> inodes = listening_inodes(port);
  if (inodes.empty()) return {};
  constexpr std::size_t kNamed = 8;
  std::vector<std::string> found;
  std::error_code failed;
  for (std::filesystem::directory_iterator entry("/proc", failed), end; !failed && entry != end;
       entry.increment(failed)) {
    const std::string pid = entry->path().filename().string();
    if (pid.empty() || !std::ranges::all_of(pid, [](char c) { return c >= '0' && c <= '9'; })) {
      continue;
    }
    if (!holds(entry->path(), inodes)) continue;
    found.push_back("pid " + pid + " (" + command_of(entry->path()) + ")");
    if (found.size() == kNamed) break;
  }
  std::string text;
  for (const std::string& holder : found) text += (text.empty() ? "held by " : ", ") + holder;
  return text;
}

}  // namespace holdfast::supervisor
