// What a foreign worker finds in its environment and its arguments: its listeners by number, in the
// words of its protocol. Pure; supervisor/io/process_launcher puts the descriptors there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "shared/core/control_message.hpp"
#include "shared/core/ids.hpp"
#include "shared/core/result.hpp"
#include "shared/core/time.hpp"
#include "supervisor/core/foreign_options.hpp"

namespace holdfast::supervisor {

// SD_LISTEN_FDS_START; all protocols get them there.
inline constexpr int kFirstListener = 3;

struct ForeignStart {
  WorkerProtocol protocol = WorkerProtocol::Systemd;
  GenerationId generation;
  WorkerId worker;
  std::vector<ListenerInfo> listeners;
  int supervisor_pid = 0;
  std::string notify_socket = {};       // systemd
  std::optional<Millis> watchdog = {};  // systemd
  std::string einhorn_path = {};        //
  std::optional<int> einhorn_fd = {};   // connected to the same
  std::size_t child_index = 0;          // the lowest that no living worker has
};

struct ForeignEnvironment {
  std::vector<std::string> variables;      // "NAME=value"
  std::vector<std::string> pid_variables;  // names; the value is the worker's own pid
};
ForeignEnvironment environment_for(const ForeignStart& start);

// "{fd:NAME}", "{worker}" and "{generation}" replaced; an unknown NAME is an error, because the
// service would read it as a file name.
Result<std::string> with_descriptors(const std::string& text, const ForeignStart& start);

// The names that `variables` set are taken out of `environment` before they are added.
std::vector<std::string> merge_environment(std::vector<std::string> environment,
                                           const ForeignEnvironment& added);

}  // namespace holdfast::supervisor
