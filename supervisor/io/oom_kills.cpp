#include "supervisor/io/oom_kills.hpp"

#include <fstream>
#include <string>
#include <utility>

namespace holdfast::supervisor {
namespace {

std::uint64_t counted_oom_kills() {
  std::ifstream file("/proc/vmstat");
  std::string name;
  std::uint64_t count = 0;
  while (file >> name >> count) {
    if (name == "oom_kill") return count;
  }
  return 0;  // a kernel before 4.13, or no /proc
}

}  // namespace

OomKills::OomKills() : seen_(counted_oom_kills()) {}

bool OomKills::grew() {
  const std::uint64_t now = counted_oom_kills();
  return now > std::exchange(seen_, now);
}

}  // namespace holdfast::supervisor
