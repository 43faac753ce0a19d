#include "supervisor/cli/command_line.hpp"

#include <algorithm>
#include <charconv>
#include <sched.h>

#include <CLI/CLI.hpp>

#include "shared/core/duration.hpp"

namespace holdfast::supervisor {
namespace {

std::size_t usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
}

template <typename Number>
Number parse_number(const std::string& text, Number low, Number high) {
  Number value{};
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size() || value < low || value > high) {
    throw CLI::ValidationError("'" + text + "' is not a number from " + std::to_string(low) +
                               " to " + std::to_string(high));
  }
  return value;
}

IdlePolicy parse_idle(const std::string& text) {
  for (const IdlePolicy policy : {IdlePolicy::Close, IdlePolicy::Handoff}) {
    if (text == to_string(policy)) return policy;
  }
  throw CLI::ValidationError("'" + text + "' is neither close nor handoff");
}

Millis parse_time(const std::string& text) {
  const auto duration = parse_duration(text);
  if (!duration) throw CLI::ValidationError(duration.error().message);
  return *duration;
}

class RunCommand {
 public:
  RunCommand(CLI::App& app, Options& options) : options_(options) {
    run_ = app.add_subcommand("run", "Start a service and supervise it");
    run_->footer(
        "Durations have a unit: 500ms, 30s, 10m. Signals: HUP reloads, TERM stops, USR1 "
        "reopens logs, TTIN and TTOU add and remove a worker.");
    add("--name", "NAME", "Name of this supervisor; one live one a name (default: default)",
        [this](const std::string& text) { set_name(text); });
    run_->add_option_function<std::vector<std::string>>(
            "--listen", [this](const auto& specs) { set_listeners(specs); },
            "127.0.0.1:80, [::1]:80, :80, unix:/path[,mode=0660,user=U,group=G], unix:@abstract; "
            "port 0 is any free one; NAME defaults to http; repeatable")
        ->type_name("[NAME=]ADDRESS")
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    add("--workers", "N|auto", "Worker processes; auto: one a CPU (default: 1)",
        [this](const std::string& text) {
          options_.fleet.workers =
              text == "auto" ? usable_cpus() : parse_number<std::size_t>(text, 1, kMaxWorkers);
        });
    add_timeouts();
    add("--give-up", "N", "Deaths in a row before ready after which run ends (default: 10)",
        [this](const std::string& text) {
          options_.fleet.give_up = parse_number<unsigned>(text, 1, 1'000'000);
        });
    add("--max-old-generations", "N", "How many may drain at once; then reloads wait (default: 4)",
        [this](const std::string& text) {
          options_.fleet.max_old_generations = parse_number<std::size_t>(text, 1, 1'000);
        });
    add("--access-log", "PATH|stdout|stderr|off", "Where requests are logged (default: stdout)",
        [this](const std::string& text) { options_.access_log = text; });
    add("--cwd", "DIR", "Working directory, looked up anew at each reload (default: $PWD)",
        [this](const std::string& text) { options_.cwd = text; });
    add("--pid-file", "PATH", "Written once the service accepts, removed at stop",
        [this](const std::string& text) { options_.pid_file = text; });
  }

  bool chosen() const { return run_->parsed(); }

 private:
  template <typename Set>
  void add(const std::string& flag, const char* type, const std::string& help, Set set) {
    run_->add_option_function<std::string>(flag, set, help)->type_name(type);
  }

  void add_duration(const std::string& flag, Millis& target, const std::string& help) {
    add(flag, "D", help + " (default: " + format_duration(target) + ")",
        [&target](const std::string& text) { target = parse_time(text); });
  }

  void add_duration(const std::string& flag, std::optional<Millis>& target,
                    const std::string& help) {
    add(flag, "D", help + " (default: the worker's own)",
        [&target](const std::string& text) { target = parse_time(text); });
  }

  void add_timeouts() {
    FleetPolicy& fleet = options_.fleet;
    add_duration("--ready-timeout", fleet.ready_timeout, "A new generation is ready within D");
    add_duration("--pause-timeout", fleet.pause_timeout, "Old workers pause within D");
    add_duration("--stop-timeout", fleet.stop_timeout, "A draining worker finishes within D");
    add("--stop-timeout-max", "D",
        "Transfers that still move bytes then may go on until D (default: --stop-timeout)",
        [&fleet](const std::string& text) { fleet.stop_timeout_max = parse_time(text); });
    add_duration("--kill-timeout", fleet.kill_timeout, "SIGKILL comes D after that");
    add_duration("--syn-wait", fleet.syn_wait, "A stop waits D for handshakes under way");
    add_duration("--lame-duck", fleet.lame_duck,
                 "A stop first serves on for D, not ready and saying close");
    add_duration("--new-grace", options_.new_grace,
                 "A draining worker waits D for a new connection's first request");
    add_duration("--idle-grace", options_.idle_grace,
                 "A draining worker keeps idle connections for D");
    add("--idle", "POLICY",
        "What a reload does with idle connections: close, or handoff to the new workers "
        "(default: close)",
        [&fleet](const std::string& text) { fleet.idle = parse_idle(text); });
    add_duration("--idle-spread", options_.idle_spread,
                 "A reload spreads the closes of idle connections over D");
    add_duration("--orphan-timeout", options_.orphan_timeout,
                 "A worker without a supervisor serves on for D; 0: for ever");
  }

  void set_name(const std::string& text) {
    const auto allowed = [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '-' || c == '_' || c == '.';
    };
    const bool good = !text.empty() && text.size() <= 64 && text.front() != '.' &&
                      std::ranges::all_of(text, allowed);
    if (!good) throw CLI::ValidationError("a name is 1 to 64 of A-Z a-z 0-9 . _ -");
    options_.name = text;
  }

  void set_listeners(const std::vector<std::string>& specs) {
    for (const std::string& text : specs) {
      auto spec = parse_listener_spec(text);
      if (!spec) throw CLI::ValidationError(spec.error().message);
      options_.listeners.push_back(std::move(*spec));
    }
  }

  Options& options_;
  CLI::App* run_ = nullptr;
};

CommandLine fail(const std::string& cause) {
  CommandLine result;
  result.text = "cannot parse the command line: " + cause;
  // CLI11 ends some of its messages with a newline; ours is one line.
  std::ranges::replace(result.text, '\n', ' ');
  return result;
}

CommandLine print(std::string text) {
  CommandLine result;
  result.action = CommandLine::Action::Print;
  result.text = std::move(text);
  return result;
}

// The command is cut off before CLI11 looks, so its usage line does not know it.
std::string with_command(std::string help) {
  const std::string line = "Usage: run [OPTIONS]";
  if (const std::size_t at = help.find(line); at != std::string::npos) {
    help.replace(at, line.size(),
                 "Usage: holdfast run [OPTIONS] --listen [NAME=]ADDRESS ... -- COMMAND [ARG...]");
  }
  return help;
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& arguments) {
  // Cut off first: what follows belongs to the service, whatever it looks like.
  const auto separator = std::ranges::find(arguments, "--");
  std::vector<std::string> ours(arguments.begin(), separator);
  CommandLine result;
  if (separator != arguments.end()) {
    result.options.command.assign(separator + 1, arguments.end());
  }

  CLI::App app("A graceful-restart process supervisor.", "holdfast");
  app.set_version_flag("--version", "holdfast " HOLDFAST_VERSION);
  app.require_subcommand(0, 1);
  const RunCommand run(app, result.options);
  std::ranges::reverse(ours);  // CLI11 takes them from the back
  try {
    app.parse(ours);
  } catch (const CLI::CallForVersion& version) {
    return print(std::string(version.what()) + "\n");
  } catch (const CLI::CallForHelp&) {
    const auto chosen = app.get_subcommands();
    return print(with_command(chosen.empty() ? app.help() : chosen.front()->help()));
  } catch (const CLI::ParseError& error) {
    return fail(error.what());
  }
  if (!run.chosen()) return fail("expected a subcommand; see holdfast --help");
  if (result.options.listeners.empty()) return fail("--listen is required");
  const FleetPolicy& fleet = result.options.fleet;
  if (fleet.stop_timeout_max > Millis{0} && fleet.stop_timeout_max < fleet.stop_timeout)
    return fail("--stop-timeout-max is below --stop-timeout");
  if (result.options.command.empty()) return fail("expected -- COMMAND [ARG...]");
  result.action = CommandLine::Action::Run;
  return result;
}

}  // namespace holdfast::supervisor
