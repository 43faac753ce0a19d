// The holdfast program: parse, build, run, exit with the code of docs/exit_codes.md.
#include <cstdio>
#include <exception>
#include <fcntl.h>
#include <linux/close_range.h>
#include <optional>
#include <string>
#include <unistd.h>

#include "shared/core/exit_code.hpp"
#include "shared/io/log_target.hpp"
#include "shared/io/syscall.hpp"
#include "supervisor/cli/command_line.hpp"
#include "supervisor/client/client.hpp"
#include "supervisor/io/control_socket_file.hpp"
#include "supervisor/io/generation_settings.hpp"
#include "supervisor/io/inherited_listeners.hpp"
#include "supervisor/io/instance_lock.hpp"
#include "supervisor/io/listener_set.hpp"
#include "supervisor/io/metrics_process.hpp"
#include "supervisor/io/service_notifier.hpp"
#include "supervisor/io/signals.hpp"
#include "supervisor/io/supervisor.hpp"

namespace {

using namespace holdfast;
using namespace holdfast::supervisor;

void say(const std::string& line) { write_fully(STDERR_FILENO, "holdfast: " + line + "\n"); }

int fail(ExitCode code, const std::string& cause) {
  say(cause);
  return to_int(code);
}

// A process started with 0, 1 or 2 closed would give that number to its first socket, and then
// print into it.
void fill_standard_descriptors() {
  int fd = ::open("/dev/null", O_RDWR);
  while (fd >= 0 && fd <= 2) fd = ::dup(fd);
  if (fd > 2) ::close(fd);
}

// Descriptors that our own parent leaked must not reach workers. Kernels before 5.11 do not know
// the flag; there they pass through as they came.
void keep_inherited_descriptors_to_ourselves() { ::close_range(3, ~0U, CLOSE_RANGE_CLOEXEC); }

// A service can do without operators, unless somebody said where they are to be heard.
Result<std::optional<ControlSocketFile>> open_control(const Options& options) {
  const bool asked = !options.control.empty();
  auto socket = asked ? open_control_socket(options.control, options.control_group)
                      : open_default_control_socket(options.name, options.control_group);
  if (socket) return std::optional(std::move(*socket));
  if (asked) return socket.error();
  say(socket.error().message + "; running without a control socket");
  return std::optional<ControlSocketFile>();
}

// Everything that can be wrong before anything is touched.
int validate(const RunArguments& arguments, OptionSources& sources, LoadedOptions& loaded) {
  auto found = find_option_sources(arguments);
  if (!found) return fail(ExitCode::BadConfiguration, found.error().message);
  sources = std::move(*found);
  auto options = load_options(sources);
  if (!options) {
    const bool typed = sources.config.empty();
    return fail(typed ? ExitCode::Usage : ExitCode::BadConfiguration, options.error().message);
  }
  loaded = std::move(*options);
  if (auto plan = plan_for(loaded.options); !plan) {
    return fail(ExitCode::BadConfiguration, plan.error().message);
  }
  if (loaded.options.metrics) {
    if (const auto program = find_metrics_program(); !program)
      return fail(ExitCode::BadConfiguration, program.error().message);
  }
  return to_int(ExitCode::Ok);
}

int check(const RunArguments& arguments) {
  OptionSources sources;
  LoadedOptions loaded;
  if (const int failed = validate(arguments, sources, loaded); failed != 0) return failed;
  write_fully(STDOUT_FILENO,
              (sources.config.empty() ? "the command line" : sources.config) + " is good\n");
  return to_int(ExitCode::Ok);
}

// A start that fails leaves no lock file behind either.
struct UnlockAtTheEnd {
  InstanceLock& lock;
  ~UnlockAtTheEnd() { unlock_instance(lock); }
};

int run(const RunArguments& arguments, Signals& signals) {
  OptionSources sources;
  LoadedOptions loaded;
  if (const int failed = validate(arguments, sources, loaded); failed != 0) return failed;
  const Options& options = loaded.options;
  auto given = take_inherited_listeners();
  if (!given) return fail(ExitCode::BadConfiguration, given.error().message);
  for (const std::string& name : drop_stale_listeners(*given, options.listeners))
    tell_manager_now("FDSTOREREMOVE=1\nFDNAME=" + name);
  auto matched = match_listeners(options.listeners, std::move(*given));
  if (!matched) return fail(ExitCode::BadConfiguration, matched.error().message);
  auto lock = lock_instance(options.name);
  if (!lock) return fail(ExitCode::Failure, lock.error().message);
  const UnlockAtTheEnd unlock{*lock};
  if (!lock->warning.empty()) {
    say(lock->warning + "; running without a lock on the name " + options.name);
  }
  auto access_log = open_log_target(options.access_log);
  if (!access_log) return fail(ExitCode::Failure, access_log.error().message);
  auto listeners = ListenerSet::open(options.listeners, std::move(*matched));
  if (!listeners) return fail(ExitCode::Failure, listeners.error().message);
  std::optional<MetricsPlan> metrics;
  if (options.metrics) {
    auto plan = plan_metrics(options);
    if (!plan) return fail(ExitCode::Failure, plan.error().message);
    metrics = std::move(*plan);
  }
  auto control = open_control(options);
  if (!control) return fail(ExitCode::Failure, control.error().message);

  Supervisor supervisor(std::move(sources), std::move(loaded), std::move(*listeners),
                        std::move(*access_log), signals);
  if (metrics) supervisor.serve_metrics(std::move(*metrics));
  if (*control) supervisor.serve_control(std::move(**control));
  const Supervisor::Ended ended = supervisor.run();
  unlock_instance(*lock);
  if (!ended.cause.empty()) say(ended.cause);
  return to_int(ended.code);
}

}  // namespace

int main(int argc, char** argv) {
  // First: a signal that comes before this line kills, one that comes after it is handled.
  auto signals = Signals::block();
  if (!signals) return fail(ExitCode::Failure, signals.error().message);
  fill_standard_descriptors();
  keep_inherited_descriptors_to_ourselves();
  try {
    CommandLine line = parse_command_line({argv + 1, argv + argc});
    switch (line.action) {
      case CommandLine::Action::Print:
        write_fully(STDOUT_FILENO, line.text);
        return to_int(ExitCode::Ok);
      case CommandLine::Action::Fail:
        return fail(line.code, line.text);
      case CommandLine::Action::Run:
        return run(line.run, *signals);
      case CommandLine::Action::Client:
        return run_client(line.client);
      case CommandLine::Action::Check:
        return check(line.run);
    }
  } catch (const std::exception& error) {
    return fail(ExitCode::Failure, std::string("cannot run: ") + error.what());
  }
  return to_int(ExitCode::Failure);
}
