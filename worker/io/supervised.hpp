// What Server and Worker alike say to the supervisor, and make of what it says.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "shared/core/control_message.hpp"
#include "shared/core/time.hpp"
#include "shared/io/unique_fd.hpp"
#include "worker/core/lifecycle.hpp"

namespace holdfast::worker {

inline constexpr Millis kStatsEvery{1'000};  // at most, and only while something changes

// `handoff`: it gives connections to other workers, and takes theirs.
Hello our_hello(bool handoff);

// An order for the machine; nothing where the message is none.
std::optional<WorkerEvent> order_in(const ControlMessage& message);

// The operator's values beat those the service was compiled with: Options, WorkerSettings.
template <typename Settings>
void follow(const WorkerOptions& given, Settings& settings) {
  settings.stop_timeout = given.stop_timeout.value_or(settings.stop_timeout);
  // The supervisor kills by its own deadlines: one that was compiled in would be of no use.
  if constexpr (requires { settings.stop_timeout_max; })
    settings.stop_timeout_max = given.stop_timeout_max.value_or(Millis{0});
  settings.kill_timeout = given.kill_timeout.value_or(settings.kill_timeout);
  settings.new_grace = given.new_grace.value_or(settings.new_grace);
  settings.idle_grace = given.idle_grace.value_or(settings.idle_grace);
  settings.idle_spread = given.idle_spread.value_or(settings.idle_spread);
  settings.orphan_timeout = given.orphan_timeout.value_or(settings.orphan_timeout);
}

// Takes the descriptors that Welcome::fds and ReopenLogs::fds name.
template <typename Log>
void take_logs(const std::vector<std::string>& names, std::vector<UniqueFd> fds, Log& access_log,
               UniqueFd& own_stderr) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == "access_log") access_log.open(std::move(fds[i]));
    if (names[i] == "stderr") own_stderr = std::move(fds[i]);
  }
}

// What came without its descriptors, because we have too many open.
void report_torn(const ControlMessage& message);

void report(std::string_view message);  // "holdfast: " and a line, on stderr

}  // namespace holdfast::worker
