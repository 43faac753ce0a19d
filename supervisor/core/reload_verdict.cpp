#include "supervisor/core/reload_verdict.hpp"

#include "supervisor/core/operator_message.hpp"

namespace holdfast::supervisor {
namespace {

std::string without_newline(std::string line) {
  if (line.ends_with('\n')) line.pop_back();
  return line;
}

std::string reason_of(const SettleReload& settled) {
  if (!settled.reason.empty()) return settled.reason;
  if (settled.outcome == ReloadOutcome::Superseded) return "a newer reload took its place";
  if (settled.outcome == ReloadOutcome::Stopped) return "the supervisor stops";
  return {};
}

}  // namespace

std::string_view to_string(ReloadOutcome outcome) {
  switch (outcome) {
    case ReloadOutcome::Committed:
      return "committed";
    case ReloadOutcome::Drained:
      return "drained";
    case ReloadOutcome::Failed:
      return "failed";
    case ReloadOutcome::Refused:
      return "refused";
    case ReloadOutcome::Superseded:
      return "superseded";
    case ReloadOutcome::Stopped:
      return "stopped";
  }
  return "unknown";
}

ExitCode exit_code_of(ReloadOutcome outcome) {
  switch (outcome) {
    case ReloadOutcome::Committed:
    case ReloadOutcome::Drained:
      return ExitCode::Ok;
    case ReloadOutcome::Refused:
      return ExitCode::BadConfiguration;
    case ReloadOutcome::Superseded:
      return ExitCode::Superseded;
    case ReloadOutcome::Failed:
    case ReloadOutcome::Stopped:
      return ExitCode::ReloadFailed;
  }
  return ExitCode::Failure;
}

std::string verdict_reply(const SettleReload& settled, const FleetRecord& record) {
  std::string out;
  JsonLine line(out);
  line.number("holdfast", kOperatorProtocol)
      .text("reply", "verdict")
      .text("verdict", to_string(settled.outcome))
      .signed_number("exit_code", to_int(exit_code_of(settled.outcome)));
  if (settled.generation) line.number("generation", settled.generation->value);
  if (const std::string reason = reason_of(settled); !reason.empty()) line.text("reason", reason);
  const bool failed =
      settled.outcome == ReloadOutcome::Failed || settled.outcome == ReloadOutcome::Refused;
  const auto& last = record.last_reload;
  if (settled.generation && last && last->generation == *settled.generation) {
    if (last->ready_ms) line.number("ready_ms", *last->ready_ms);
    if (failed && !record.last_failure.empty())
      line.raw("event", without_newline(record.last_failure));
  }
  if (settled.outcome == ReloadOutcome::Drained && !record.last_drained.empty())
    line.raw("event", without_newline(record.last_drained));
  line.end();
  return out;
}

std::string verdict_without_supervisor(std::string_view verdict, std::string_view reason,
                                       ExitCode code) {
  std::string out;
  JsonLine line(out);
  line.number("holdfast", kOperatorProtocol)
      .text("reply", "verdict")
      .text("verdict", verdict)
      .signed_number("exit_code", to_int(code))
      .text("reason", reason)
      .end();
  return out;
}

}  // namespace holdfast::supervisor
