#include "supervisor/core/service_notice.hpp"

#include <algorithm>

namespace holdfast::supervisor {
namespace {

std::string field_text(const Report& report, std::string_view key) {
  for (const auto& [name, value] : report.fields) {
    if (name != key) continue;
    if (const auto* text = std::get_if<std::string>(&value)) return *text;
    if (const auto* number = std::get_if<std::uint64_t>(&value)) return std::to_string(*number);
    if (const auto* number = std::get_if<std::int64_t>(&value)) return std::to_string(*number);
  }
  return {};
}

// One line: the datagram's own lines end with a newline, and a command's name may hold anything.
std::string status_line(std::string text) {
  constexpr std::size_t kLongestStatus = 500;
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  if (text.size() > kLongestStatus) text.resize(kLongestStatus);
  return text;
}

std::string with_status(ServiceNotices& notices, const std::string& assignments,
                        const std::string& text) {
  notices.status = status_line(text);
  const std::string status = "STATUS=" + notices.status;
  return assignments.empty() ? status : assignments + "\n" + status;
}

}  // namespace

std::string notice_of(ServiceNotices& notices, const Report& report, std::uint64_t monotonic_usec) {
  const std::string generation = "generation " + field_text(report, "generation");
  // STOPPING=1 is final (sd_notify(3)): nothing may look like life after it.
  if (notices.phase == ServicePhase::Stopping) return {};
  if (report.event == "serving") {
    notices.phase = ServicePhase::Serving;
    return with_status(notices, "READY=1\nMAINPID=" + std::to_string(notices.pid),
                       generation + " serves");
  }
  if (report.event == "reload_started") {
    notices.phase = ServicePhase::Reloading;
    return with_status(notices, "RELOADING=1\nMONOTONIC_USEC=" + std::to_string(monotonic_usec),
                       "starting " + generation);
  }
  if (report.event == "reload_done") {
    notices.phase = ServicePhase::Serving;
    return with_status(notices, "READY=1", generation + " serves");
  }
  // There is no way to say that a reload failed; a RELOADING that nothing ends would be worse.
  if (report.event == "reload_failed") {
    notices.phase = ServicePhase::Serving;
    return with_status(notices, "READY=1",
                       "reload to " + generation + " failed: " + field_text(report, "reason") +
                           "; the old one serves on");
  }
  if (report.event == "reload_waiting") {
    return with_status(notices, {},
                       "a reload waits: " + field_text(report, "old_generations") +
                           " old generations still drain");
  }
  if (report.event == "gave_up" || report.event == "start_failed") {
    return with_status(notices, {}, "cannot start: " + field_text(report, "reason"));
  }
  if (report.event == "stopping") {
    notices.phase = ServicePhase::Stopping;
    return with_status(notices, "STOPPING=1\nEXTEND_TIMEOUT_USEC=" + std::to_string(kExtendMicros),
                       "stopping, " + field_text(report, "workers") + " workers drain");
  }
  return {};
}

std::string tick_notice(const ServiceNotices& notices) {
  std::string text;
  if (notices.watchdog_usec) text = "WATCHDOG=1";
  if (notices.phase != ServicePhase::Serving) {
    if (!text.empty()) text += '\n';
    text += "EXTEND_TIMEOUT_USEC=" + std::to_string(kExtendMicros);
  }
  return text;
}

std::optional<std::uint64_t> tick_after_usec(const ServiceNotices& notices) {
  std::optional<std::uint64_t> after;
  if (notices.phase != ServicePhase::Serving) after = kNoticeTickMicros;
  if (notices.watchdog_usec) {
    // At half of it, as sd_watchdog_enabled(3) recommends; never without a pause.
    const std::uint64_t half = std::max<std::uint64_t>(*notices.watchdog_usec / 2, 1'000);
    after = std::min(after.value_or(half), half);
  }
  return after;
}

}  // namespace holdfast::supervisor
