#include <sys/stat.h>
#include <unistd.h>

#include "shared/io/syscall.hpp"
#include "supervisor/client/client.hpp"
#include "supervisor/client/control_connection.hpp"
#include "supervisor/client/event_text.hpp"
#include "supervisor/client/text_table.hpp"

namespace holdfast::supervisor {
namespace {

std::string kind_of_line(const std::string& line) {
  return printable_text(nlohmann::json::parse(line, nullptr, false), "event");
}

// A pipe shows the end of its reader (poll(2), POLLERR); a terminal would show what is typed.
int reader_of_output() {
  struct stat info {};
  return ::fstat(STDOUT_FILENO, &info) == 0 && S_ISFIFO(info.st_mode) ? STDOUT_FILENO : -1;
}

bool is_reply(const std::string& line) { return line.starts_with("{\"holdfast\":"); }

}  // namespace

int run_events(const ClientOptions& options) {
  const Target target = find_target(options);
  auto connection = ControlConnection::open(target);
  if (!connection) return say_failure(failure_of(connection.error(), target));
  if (auto asked = connection->ask(EventsRequest{options.follow, options.output}); !asked)
    return say_failure(failure_of(asked.error(), target));
  const TimePoint answer_by = Clock::now() + options.timeout.value_or(kReplyWithin);
  bool past = true;  // the last events first, then a reply, then what comes
  bool stopped = false;
  for (;;) {
    const auto heard =
        connection->next(past ? std::optional(answer_by) : std::nullopt, reader_of_output());
    if (heard.kind == ControlConnection::Heard::Kind::Interrupted) return to_int(ExitCode::Ok);
    if (heard.kind == ControlConnection::Heard::Kind::TimedOut)
      return say_failure({ExitCode::TimedOut,
                          "cannot reach the supervisor " + target.shown + ": it does not answer"});
    if (heard.kind != ControlConnection::Heard::Kind::Line) break;
    if (is_reply(heard.line)) {
      const auto reply = connection->understand(heard.line);
      if (!reply) return say_failure(reply.error());
      past = false;
      if (!options.follow) return to_int(ExitCode::Ok);
      continue;
    }
    stopped = kind_of_line(heard.line) == "stopped";
    const int code = print_out(options.json ? heard.line + "\n" : render_event(heard.line));
    if (code != 0) return code;
  }
  if (stopped) return to_int(ExitCode::Ok);
  return say_failure(
      {ExitCode::Failure, "cannot follow events of " + target.shown + ": the connection ended"});
}

}  // namespace holdfast::supervisor
