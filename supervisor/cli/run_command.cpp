#include "supervisor/cli/run_command.hpp"

#include <algorithm>
#include <array>
#include <memory>

#include <CLI/CLI.hpp>

#include "supervisor/cli/help_formatter.hpp"
#include "supervisor/core/option_table.hpp"

namespace holdfast::supervisor {
namespace {

// On a scratch value: the real one needs the file and the environment first.
void keep_flag(RunArguments& arguments, const OptionRow& row, const std::string& text) {
  Options scratch;
  if (auto good = row.set(scratch, text); !good) {
    throw CLI::ValidationError(flag_of(row), good.error().message);
  }
  arguments.flags.push_back({&row, text, "parse the command line: " + flag_of(row)});
}

std::string help_of(const OptionRow& row) {
  return row.fallback.empty() ? row.help : row.help + " (default: " + row.fallback + ")";
}

CLI::Option* add_flag(CLI::App& app, RunArguments& arguments, const OptionRow& row) {
  switch (row.kind) {
    case OptionRow::Kind::Switch:
      return app.add_flag_function(
          flag_of(row),
          [&](std::int64_t count) { keep_flag(arguments, row, count > 0 ? "true" : "false"); },
          help_of(row));
    case OptionRow::Kind::List:
    case OptionRow::Kind::Map:
      return app
          .add_option_function<std::vector<std::string>>(
              flag_of(row),
              [&](const std::vector<std::string>& texts) {
                for (const std::string& text : texts) keep_flag(arguments, row, text);
              },
              help_of(row))
          ->type_name(row.type)
          ->expected(1)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    case OptionRow::Kind::Text:
    case OptionRow::Kind::Number:
      return app
          .add_option_function<std::string>(
              flag_of(row), [&](const std::string& text) { keep_flag(arguments, row, text); },
              help_of(row))
          ->type_name(row.type);
  }
  return nullptr;
}

// What most services need; --help-all shows the rest, too.
constexpr std::array kCommonOptions{"config",
                                    "name",
                                    "listen",
                                    "workers",
                                    "label",
                                    "access-log",
                                    "metrics",
                                    "pid-file",
                                    "control",
                                    "ready-timeout",
                                    "stop-timeout",
                                    "kill-timeout",
                                    "idle",
                                    "lame-duck",
                                    "probation",
                                    "canary",
                                    "heartbeat-timeout",
                                    "max-rss",
                                    "protocol",
                                    "readiness",
                                    "cwd",
                                    "env",
                                    "env-file",
                                    "user",
                                    "no-new-privs"};

// The command is cut off before CLI11 looks, so its own usage line would not know it.
constexpr const char* kRunUsage =
    "run [OPTIONS] --listen [NAME=]ADDRESS ... -- COMMAND [ARG...]\n"
    "       holdfast run [OPTIONS] --config FILE";
constexpr const char* kCheckUsage = "check --config FILE [OPTIONS of run] [-- COMMAND [ARG...]]";

}  // namespace

RunCommand::RunCommand(CLI::App& app, Kind kind, RunArguments& arguments) {
  const bool runs = kind == Kind::Run;
  command_ = runs ? app.add_subcommand("run", "Start a service and supervise it")
                  : app.add_subcommand("check", "Say what run would refuse; touch nothing");
  command_->formatter(std::make_shared<HelpFormatter>(runs ? kRunUsage : kCheckUsage));
  command_->set_help_all_flag("--help-all",
                              "Print every option and exit; holdfast(1) has them, too");
  command_->footer(
      "Durations have a unit: 500ms, 30s, 10m; so have sizes: 256MiB. Each option may also be a "
      "variable (HOLDFAST_READY_TIMEOUT) or a key in the file (ready_timeout); a flag beats both. "
      "Signals: HUP reloads, TERM stops, USR1 reopens logs, TTIN and TTOU add and remove a "
      "worker.");
  for (const OptionRow& row : option_table()) {
    if (row.where == OptionRow::Where::OnlyInFile) continue;
    CLI::Option* option = add_flag(*command_, arguments, row);
    if (std::ranges::find(kCommonOptions, row.name) == kCommonOptions.end())
      option->group(kRarelyNeeded);
  }
}

bool RunCommand::chosen() const { return command_->parsed(); }

}  // namespace holdfast::supervisor
