// Tells a SIGKILL of the kernel's, because memory ran out, from an operator's. The kernel counts
// such kills for the whole machine (/proc/vmstat; a container sees its host's), so the answer is
// "one at this moment", not "this one".
#pragma once

#include <cstdint>

namespace holdfast::supervisor {

class OomKills {
 public:
  OomKills();
  bool grew();  // since the last call

 private:
  std::uint64_t seen_;
};

}  // namespace holdfast::supervisor
