// What the programs exit with. Stable: deploy scripts depend on these numbers (docs/exit_codes.md).
#pragma once

namespace holdfast {

enum class ExitCode : int {
  Ok = 0,
  Failure = 1,  // anything without a number of its own, e.g. the address is in use
  Usage = 2,
  NotRunning = 3,
  PermissionDenied = 4,
  BadConfiguration = 6,  // also: the command is missing or not executable
  NotReady = 7,          // the first generation was not ready in time
  CrashLoop = 8,         // gave up on workers that die before ready
  ReloadFailed = 10,
  Degraded = 11,
  Superseded = 12,
  TimedOut = 13,
};

constexpr int to_int(ExitCode code) noexcept { return static_cast<int>(code); }

}  // namespace holdfast
