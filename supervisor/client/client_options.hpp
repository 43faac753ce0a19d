// What the client commands were asked for. Filled by supervisor/cli.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "shared/core/time.hpp"
#include "supervisor/core/operator_message.hpp"

namespace holdfast::supervisor {

struct ClientOptions {
  enum class Command : std::uint8_t { Reload, Stop, Status, Scale, ReopenLogs, Events, Metrics };
  Command command = Command::Status;
  std::string control;  // --control
  std::string name;     // --name
  std::optional<Millis> timeout = {};
  bool json = false;
  ReloadWait until = ReloadWait::No;  // reload
  bool now = false;                   // stop
  bool wait = false;                  //
  bool watch = false;                 // status
  bool last_failure = false;          //
  bool follow = false;                // events
  bool output = false;                //
  ScaleOrder scale;
};

// Which supervisor is meant: --control, else $HOLDFAST_CONTROL, else by --name, $HOLDFAST_NAME, or
// "default".
struct Target {
  std::string path;
  std::string shown;  // "'default'", or the path
};
Target find_target(const ClientOptions& options);

}  // namespace holdfast::supervisor
