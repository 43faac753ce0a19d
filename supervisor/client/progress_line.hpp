// One line of a terminal that says how far a reload is, written over again and again. Nothing where
// stderr is no terminal.
#pragma once

#include <optional>

#include "shared/core/time.hpp"
#include "supervisor/client/client_options.hpp"
#include "supervisor/client/control_connection.hpp"

namespace holdfast::supervisor {

class ProgressLine {
 public:
  explicit ProgressLine(Target target);

  // When show() is due, or `deadline` where that is sooner or there is no terminal.
  std::optional<TimePoint> next_look(std::optional<TimePoint> deadline) const;
  void show();
  void clear();

 private:
  Target target_;
  bool terminal_ = false;
  bool shown_ = false;
  std::optional<ControlConnection> connection_;  // of its own: ours awaits the verdict
};

}  // namespace holdfast::supervisor
