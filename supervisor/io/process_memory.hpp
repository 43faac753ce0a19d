// How much memory processes use, as the kernel says it (proc(5), statm). Asked at most once a
// second for each, because reading it makes the kernel count pages.
#pragma once

#include <cstdint>
#include <map>
#include <sys/types.h>

#include "shared/core/time.hpp"

namespace holdfast::supervisor {

class ProcessMemory {
 public:
  // Resident bytes; 0 when there is no such process.
  std::uint64_t resident(pid_t pid, TimePoint now);
  // Those that were not asked for in a while are forgotten.
  void forget_old(TimePoint now);

 private:
  struct Look {
    TimePoint at{};
    std::uint64_t bytes = 0;
  };
  std::map<pid_t, Look> looks_;
};

}  // namespace holdfast::supervisor
