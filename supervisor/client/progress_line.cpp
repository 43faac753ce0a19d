#include "supervisor/client/progress_line.hpp"

#include <algorithm>
#include <sys/ioctl.h>
#include <unistd.h>

#include "shared/core/json_fields.hpp"
#include "shared/io/syscall.hpp"
#include "supervisor/client/reload_text.hpp"

namespace holdfast::supervisor {
namespace {

constexpr Millis kLookEvery{100};
constexpr Millis kLookWithin{500};

std::size_t columns_of_terminal() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col - 1U : 79U;
}

std::string text_of(const nlohmann::json& status) {
  std::string text = render_progress(status);
  for (const nlohmann::json& draining : json_list(status, "draining"))
    text += (text.empty() ? "draining " : "; draining ") + render_draining(draining);
  return text;
}

}  // namespace

ProgressLine::ProgressLine(Target target)
    : target_(std::move(target)), terminal_(::isatty(STDERR_FILENO) == 1) {}

std::optional<TimePoint> ProgressLine::next_look(std::optional<TimePoint> deadline) const {
  if (!terminal_) return deadline;
  const TimePoint look = Clock::now() + kLookEvery;
  return deadline ? std::min(look, *deadline) : look;
}

void ProgressLine::show() {
  if (!terminal_) return;
  if (!connection_) {
    auto opened = ControlConnection::open(target_);
    if (!opened) return;
    connection_.emplace(std::move(*opened));
  }
  const auto reply = connection_->reply_to(StatusRequest{}, kLookWithin);
  if (!reply) return connection_.reset();
  const std::string text = text_of(json_object(reply->json, "status"));
  write_fully(STDERR_FILENO, "\r\x1b[K" + text.substr(0, columns_of_terminal()));
  shown_ = true;
}

void ProgressLine::clear() {
  if (shown_) write_fully(STDERR_FILENO, "\r\x1b[K");
  shown_ = false;
}

}  // namespace holdfast::supervisor
