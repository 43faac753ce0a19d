#include "supervisor/io/socket_holders.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <vector>

namespace holdfast::supervisor {
namespace {

// Inodes of the sockets that listen on `port`, from the table that proc(5) describes.
std::set<std::string> listening_inodes(const char* table, std::uint16_t port) {
  std::set<std::string> inodes;
  std::ifstream file(table);
  std::string line;
  std::getline(file, line);  // the head
  while (std::getline(file, line)) {
    std::istringstream fields(line);
    std::string slot, local, remote, state, queues, timer, retransmits, uid, timeout, inode;
    fields >> slot >> local >> remote >> state >> queues >> timer >> retransmits >> uid >>
        timeout >> inode;
    const std::size_t colon = local.rfind(':');
    constexpr const char* kListen = "0A";
    if (colon == std::string::npos || state != kListen) continue;
    std::array<char, 8> wanted{};
    std::snprintf(wanted.data(), wanted.size(), "%04X", unsigned{port});
    if (local.substr(colon + 1) == wanted.data()) inodes.insert("socket:[" + inode + "]");
  }
  return inodes;
}

std::string command_of(const std::filesystem::path& process) {
  std::ifstream file(process / "comm");
  std::string name;
  std::getline(file, name);
  return name;
}

bool holds(const std::filesystem::path& process, const std::set<std::string>& inodes) {
  std::error_code ignored;
  for (const auto& fd : std::filesystem::directory_iterator(process / "fd", ignored)) {
    if (inodes.contains(std::filesystem::read_symlink(fd.path(), ignored).string())) return true;
  }
  return false;
}

}  // namespace

std::string holders_of_port(std::uint16_t port) {
  std::set<std::string> inodes = listening_inodes("/proc/net/tcp", port);
  inodes.merge(listening_inodes("/proc/net/tcp6", port));
  if (inodes.empty()) return {};
  constexpr std::size_t kNamed = 8;
  std::vector<std::string> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string pid = entry.path().filename().string();
    if (pid.empty() || !std::ranges::all_of(pid, [](char c) { return c >= '0' && c <= '9'; })) {
      continue;
    }
    if (!holds(entry.path(), inodes)) continue;
    found.push_back("pid " + pid + " (" + command_of(entry.path()) + ")");
    if (found.size() == kNamed) break;
  }
  std::string text;
  for (const std::string& holder : found) text += (text.empty() ? "held by " : ", ") + holder;
  return text;
}

}  // namespace holdfast::supervisor
