// How much memory of a process is resident, as the kernel counts it (proc(5), /proc/PID/statm).
#pragma once

#include <cstdint>
#include <optional>
#include <sys/types.h>

namespace holdfast::supervisor {

// Bytes; nothing when the process is gone or /proc is not there.
std::optional<std::uint64_t> resident_memory(pid_t pid);

}  // namespace holdfast::supervisor
