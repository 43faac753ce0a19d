// The commands that ask once and get one answer: stop, scale, reopen-logs.
#include <csignal>
#include <unistd.h>

#include "shared/core/duration.hpp"
#include "shared/core/json_fields.hpp"
#include "shared/io/syscall.hpp"
#include "supervisor/client/client.hpp"
#include "supervisor/client/control_connection.hpp"
#include "supervisor/client/text_table.hpp"

namespace holdfast::supervisor {
namespace {

int succeed(const ClientOptions& options, const Reply& reply, const std::string& text) {
  return print_out((options.json ? reply.line : text) + "\n");
}

Millis reply_within(const ClientOptions& options) { return options.timeout.value_or(kReplyWithin); }

}  // namespace

int run_stop(const ClientOptions& options) {
  const Target target = find_target(options);
  const TimePoint began = Clock::now();
  auto connection = ControlConnection::open(target);
  if (!connection) return say_failure(failure_of(connection.error(), target));
  const auto reply = connection->reply_to(StopOrder{options.now}, reply_within(options));
  if (!reply) return say_failure(reply.error());
  if (!options.wait) return succeed(options, *reply, "stopping");
  std::optional<TimePoint> deadline;
  if (options.timeout) deadline = began + *options.timeout;
  if (connection->wait_for_its_end(deadline)) return succeed(options, *reply, "stopped");
  return say_failure({ExitCode::TimedOut, "cannot wait for the stop: it takes longer than " +
                                              format_duration(*options.timeout) + ", and goes on"});
}

int run_scale(const ClientOptions& options) {
  const Target target = find_target(options);
  auto connection = ControlConnection::open(target);
  if (!connection) return say_failure(failure_of(connection.error(), target));
  const auto reply = connection->reply_to(options.scale, reply_within(options));
  if (!reply) return say_failure(reply.error());
  return succeed(options, *reply,
                 format_count(json_count(reply->json, "wanted_workers"), "worker") + " wanted");
}

int run_reopen_logs(const ClientOptions& options) {
  const Target target = find_target(options);
  auto connection = ControlConnection::open(target);
  if (!connection) return say_failure(failure_of(connection.error(), target));
  const auto reply = connection->reply_to(ReopenLogsOrder{}, reply_within(options));
  if (!reply) return say_failure(reply.error());
  return succeed(options, *reply, "logs reopened");
}

int run_client(const ClientOptions& options) {
  // main blocked them for a supervisor; a command that is waiting must end at Ctrl-C.
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);  // `holdfast events --follow | head` ends with head
  switch (options.command) {
    case ClientOptions::Command::Reload:
      return run_reload(options);
    case ClientOptions::Command::Stop:
      return run_stop(options);
    case ClientOptions::Command::Status:
      return run_status(options);
    case ClientOptions::Command::Scale:
      return run_scale(options);
    case ClientOptions::Command::ReopenLogs:
      return run_reopen_logs(options);
    case ClientOptions::Command::Events:
      return run_events(options);
    case ClientOptions::Command::Metrics:
      return run_metrics(options);
  }
  return to_int(ExitCode::Failure);
}

}  // namespace holdfast::supervisor
