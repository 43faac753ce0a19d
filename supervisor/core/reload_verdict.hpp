// What became of a reload, as the one who waits for it reads it: a line of JSON and an exit code.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/core/exit_code.hpp"
#include "shared/core/ids.hpp"
#include "supervisor/core/fleet_action.hpp"
#include "supervisor/core/fleet_record.hpp"

namespace holdfast::supervisor {

// "committed", "drained", "failed", "refused", "superseded", "stopped".
std::string_view to_string(ReloadOutcome outcome);

// docs/exit_codes.md.
ExitCode exit_code_of(ReloadOutcome outcome);

// One line with its newline. Takes ready_ms, the whole reload_failed or generation_drained event
// from the record where they are of this reload.
std::string verdict_reply(const SettleReload& settled, const FleetRecord& record);

// For what the supervisor cannot say itself, because it is not there or takes too long.
std::string verdict_without_supervisor(std::string_view verdict, std::string_view reason,
                                       ExitCode code);

}  // namespace holdfast::supervisor
