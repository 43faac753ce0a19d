#include "supervisor/io/process_memory.hpp"

#include "supervisor/io/resident_memory.hpp"

namespace holdfast::supervisor {
namespace {

constexpr Millis kLookHolds{1'000};

}  // namespace

std::uint64_t ProcessMemory::resident(pid_t pid, TimePoint now) {
  const auto [at, fresh] = looks_.try_emplace(pid);
  Look& look = at->second;
  if (fresh || now - look.at >= kLookHolds) look = {now, resident_memory(pid).value_or(0)};
  return look.bytes;
}

void ProcessMemory::forget_old(TimePoint now) {
  std::erase_if(looks_, [&](const auto& look) { return now - look.second.at > 2 * kLookHolds; });
}

}  // namespace holdfast::supervisor
