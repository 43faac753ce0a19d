#include "supervisor/io/resident_memory.hpp"

#include <fstream>
#include <string>
#include <unistd.h>

namespace holdfast::supervisor {

std::optional<std::uint64_t> resident_memory(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
  std::uint64_t size = 0;
  std::uint64_t resident = 0;
  if (!(file >> size >> resident)) return std::nullopt;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace holdfast::supervisor
