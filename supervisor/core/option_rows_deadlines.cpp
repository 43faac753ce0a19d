#include "shared/core/duration.hpp"
#include "supervisor/core/option_rows.hpp"

namespace holdfast::supervisor {
namespace {

OptionRow wait(std::string name, Millis FleetPolicy::*member, std::string help) {
  return {std::move(name), "D", std::move(help), format_duration(FleetPolicy{}.*member),
          set_fleet_time(member)};
}

OptionRow worker_wait(std::string name, std::optional<Millis> Options::*member, std::string help) {
  return {std::move(name), "D", std::move(help), "the worker's own", set_time(member)};
}

Result<void> set_idle(Options& options, const std::string& text) {
  for (const IdlePolicy policy : {IdlePolicy::Close, IdlePolicy::Handoff}) {
    if (text != to_string(policy)) continue;
    options.fleet.idle = policy;
    return {};
  }
  return Error{"'" + text + "' is neither close nor handoff"};
}

}  // namespace

std::vector<OptionRow> deadline_rows() {
  OptionRow longest = wait("stop-timeout-max", &FleetPolicy::stop_timeout_max,
                           "Transfers that still move bytes then may go on until D");
  longest.fallback = "--stop-timeout";
  return {
      wait("ready-timeout", &FleetPolicy::ready_timeout, "A new generation is ready within D"),
      wait("pause-timeout", &FleetPolicy::pause_timeout, "Old workers pause within D"),
      wait("stop-timeout", &FleetPolicy::stop_timeout, "A draining worker finishes within D"),
      std::move(longest),
      wait("kill-timeout", &FleetPolicy::kill_timeout, "SIGKILL comes D after that"),
      wait("syn-wait", &FleetPolicy::syn_wait, "A stop waits D for handshakes under way"),
      wait("lame-duck", &FleetPolicy::lame_duck,
           "A stop first serves on for D, not ready and saying close"),
      worker_wait("new-grace", &Options::new_grace,
                  "A draining worker waits D for a new connection's first request"),
      worker_wait("idle-grace", &Options::idle_grace,
                  "A draining worker keeps idle connections for D"),
      {"idle", "close|handoff",
       "What a reload does with idle connections; handoff: to the new workers", "close", set_idle},
      worker_wait("idle-spread", &Options::idle_spread,
                  "A reload spreads the closes of idle connections over D"),
      worker_wait("orphan-timeout", &Options::orphan_timeout,
                  "A worker without a supervisor serves on for D; 0: for ever"),
  };
}

}  // namespace holdfast::supervisor
