#include <csignal>
#include <sys/signalfd.h>
#include <unistd.h>

#include "shared/core/duration.hpp"
#include "shared/core/json_fields.hpp"
#include "shared/io/syscall.hpp"
#include "supervisor/client/client.hpp"
#include "supervisor/client/control_connection.hpp"
#include "supervisor/client/progress_line.hpp"
#include "supervisor/client/reload_text.hpp"
#include "supervisor/client/text_table.hpp"
#include "supervisor/core/reload_verdict.hpp"

namespace holdfast::supervisor {
namespace {

// Ctrl-C ends the wait and not the reload, and says so.
UniqueFd catch_interrupts() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&set, number);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  return UniqueFd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

// As a program that did not catch it: shells and make(1) look at that.
int end_by(int signals) {
  signalfd_siginfo info{};
  if (::read(signals, &info, sizeof info) != sizeof info) return to_int(ExitCode::Failure);
  const int number = static_cast<int>(info.ssi_signo);
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, number);
  ::raise(number);
  ::sigprocmask(SIG_UNBLOCK, &set, nullptr);
  return to_int(ExitCode::Failure);
}

class ReloadCommand {
 public:
  explicit ReloadCommand(const ClientOptions& options)
      : options_(options), target_(find_target(options)), progress_(target_) {
    if (options.timeout) deadline_ = Clock::now() + *options.timeout;
  }

  int run() {
    auto connection = ControlConnection::open(target_);
    if (!connection) return fail(failure_of(connection.error(), target_));
    const bool waits = options_.until != ReloadWait::No;
    const UniqueFd signals = waits ? catch_interrupts() : UniqueFd();
    const auto reply =
        connection->reply_to(ReloadOrder{options_.until}, options_.timeout.value_or(kReplyWithin));
    if (!reply) return fail(reply.error());
    if (waits) return wait(*connection, signals.get());
    return print_out((options_.json ? reply->line : "reload accepted") + "\n");
  }

 private:
  using Heard = ControlConnection::Heard;

  int wait(ControlConnection& connection, int signals) {
    for (;;) {
      const Heard heard = connection.next(progress_.next_look(deadline_), signals);
      switch (heard.kind) {
        case Heard::Kind::Line: {
          const auto verdict = connection.understand(heard.line);
          if (!verdict) return fail(verdict.error());
          if (const auto code = judge(verdict->json, heard.line)) return *code;
          break;
        }
        case Heard::Kind::TimedOut:
          if (deadline_ && Clock::now() >= *deadline_) return time_out();
          progress_.show();
          break;
        case Heard::Kind::Interrupted:
          progress_.clear();
          write_fully(STDERR_FILENO, "holdfast: no longer waiting; the reload goes on\n");
          return end_by(signals);
        case Heard::Kind::End:
          return fail({ExitCode::Failure,
                       "cannot learn what became of the reload: the supervisor is gone"});
      }
    }
  }

  // Nothing: more is to come.
  std::optional<int> judge(const nlohmann::json& verdict, const std::string& line) {
    const std::string word = printable_text(verdict, "verdict");
    progress_.clear();
    if (word == "committed" && options_.until == ReloadWait::Drained) {
      committed_ = true;
      if (!options_.json) write_fully(STDOUT_FILENO, render_verdict(verdict));
      return std::nullopt;
    }
    const auto code = static_cast<ExitCode>(json_count(verdict, "exit_code"));
    if (code != ExitCode::Ok) write_fully(STDERR_FILENO, "holdfast: " + render_verdict(verdict));
    // The verdict stands whether or not it can be printed: a script must not turn back what serves.
    if (options_.json) {
      print_out(line + "\n");
    } else if (code == ExitCode::Ok) {
      print_out(render_verdict(verdict));
    }
    return to_int(code);
  }

  int time_out() {
    const std::string what =
        committed_ ? "the old generation still drains after " : "there is no verdict after ";
    return fail({ExitCode::TimedOut, "cannot wait for the reload: " + what +
                                         format_duration(*options_.timeout) + ", and it goes on"});
  }

  static std::string_view word_of(ExitCode code) {
    if (code == ExitCode::TimedOut) return "timed_out";
    if (code == ExitCode::NotRunning) return "not_running";
    return code == ExitCode::PermissionDenied ? "permission_denied" : "unknown";
  }

  // A script that reads JSON gets its one line however this ends.
  int fail(const Failure& failure) {
    progress_.clear();
    if (options_.json)
      write_fully(STDOUT_FILENO,
                  verdict_without_supervisor(word_of(failure.code), failure.message, failure.code));
    return say_failure(failure);
  }

  const ClientOptions& options_;
  Target target_;
  ProgressLine progress_;
  std::optional<TimePoint> deadline_;
  bool committed_ = false;
};

}  // namespace

int run_reload(const ClientOptions& options) { return ReloadCommand(options).run(); }

}  // namespace holdfast::supervisor
