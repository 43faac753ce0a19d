// Why a command did not do what it was asked, and what it exits with.
#pragma once

#include <string>

#include "shared/core/exit_code.hpp"
#include "shared/core/result.hpp"
#include "supervisor/client/client_options.hpp"

namespace holdfast::supervisor {

struct Failure {
  ExitCode code = ExitCode::Failure;
  std::string message;  // "cannot <verb> <object>: <cause>"
};

// A socket that is not there or refuses is a supervisor that does not run.
Failure failure_of(const Error& error, const Target& target);

// To standard output. Whoever could not read it must not take the command for done: 1, or `code`
// where that says more, with a line on stderr.
int print_out(const std::string& text, ExitCode code = ExitCode::Ok);

// The one line on stderr; returns the exit code.
int say_failure(const Failure& failure);

}  // namespace holdfast::supervisor
