// What a service manager is told (sd_notify(3)): which datagram follows from what the operator
// reads. Pure; supervisor/io/service_notifier sends the text. docs/systemd.md is the promise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "supervisor/core/report.hpp"

namespace holdfast::supervisor {

// How far the manager's own deadline for start, reload and stop is put off at each tick. Longer
// than two ticks, so that one late tick costs nothing; short, so that a supervisor that hangs is
// still found.
inline constexpr std::uint64_t kExtendMicros = 30'000'000;
// Without a watchdog, this often while something is under way.
inline constexpr std::uint64_t kNoticeTickMicros = 10'000'000;

enum class ServicePhase : std::uint8_t { Starting, Serving, Reloading, Stopping };

struct ServiceNotices {
  int pid = 0;
  std::optional<std::uint64_t> watchdog_usec =
      {};  // the manager kills us without a sign for so long
  ServicePhase phase = ServicePhase::Starting;
  std::string status = {};  // the last one that was sent
  bool operator==(const ServiceNotices&) const = default;
};

// Newline-separated assignments; empty when the manager has nothing to learn from this.
std::string notice_of(ServiceNotices& notices, const Report& report, std::uint64_t monotonic_usec);

// At each tick: WATCHDOG=1, and more time for what is under way.
std::string tick_notice(const ServiceNotices& notices);

// Until the next tick; nothing while nobody waits for one.
std::optional<std::uint64_t> tick_after_usec(const ServiceNotices& notices);

}  // namespace holdfast::supervisor
