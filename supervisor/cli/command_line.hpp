// The command line of the holdfast program. Parses and checks, does nothing.
#pragma once

#include <string>
#include <vector>

#include "shared/core/exit_code.hpp"
#include "supervisor/client/client_options.hpp"
#include "supervisor/core/option_values.hpp"

namespace holdfast::supervisor {

struct CommandLine {
  enum class Action { Run, Check, Client, Print, Fail };
  Action action = Action::Fail;
  RunArguments run;                 // when Run or Check
  ClientOptions client;             // when Client
  std::string text;                 // when Print: help or version; when Fail: the one line why
  ExitCode code = ExitCode::Usage;  // when Fail
};

CommandLine parse_command_line(const std::vector<std::string>& arguments);

}  // namespace holdfast::supervisor
