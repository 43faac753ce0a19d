#include "supervisor/client/failure.hpp"

#include <cerrno>
#include <unistd.h>

#include "shared/io/syscall.hpp"

namespace holdfast::supervisor {

Failure failure_of(const Error& error, const Target& target) {
  switch (error.code) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
      return {ExitCode::NotRunning, "cannot reach the supervisor " + target.shown +
                                        ": none is running" +
                                        (target.by_name ? " (" + target.path + ")" : "")};
    case EACCES:
    case EPERM:
      return {ExitCode::PermissionDenied, error.message};
    case ETIMEDOUT:
      return {ExitCode::TimedOut, error.message};
    default:
      return {ExitCode::Failure, error.message};
  }
}

int print_out(const std::string& text, ExitCode code) {
  if (write_fully(STDOUT_FILENO, text)) return to_int(code);
  const Error why = errno_error("write to standard output", errno);
  return say_failure({code == ExitCode::Ok ? ExitCode::Failure : code, why.message});
}

int say_failure(const Failure& failure) {
  write_fully(STDERR_FILENO, "holdfast: " + failure.message + "\n");
  return to_int(failure.code);
}

}  // namespace holdfast::supervisor
