#include "supervisor/cli/run_command.hpp"

#include <memory>

#include <CLI/CLI.hpp>

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

void add_flag(CLI::App& app, RunArguments& arguments, const OptionRow& row) {
  switch (row.kind) {
    case OptionRow::Kind::Switch:
      app.add_flag_function(
          flag_of(row),
          [&](std::int64_t count) { keep_flag(arguments, row, count > 0 ? "true" : "false"); },
          help_of(row));
      return;
    case OptionRow::Kind::List:
    case OptionRow::Kind::Map:
      app.add_option_function<std::vector<std::string>>(
             flag_of(row),
             [&](const std::vector<std::string>& texts) {
               for (const std::string& text : texts) keep_flag(arguments, row, text);
             },
             help_of(row))
          ->type_name(row.type)
          ->expected(1)
          ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
      return;
    case OptionRow::Kind::Text:
    case OptionRow::Kind::Number:
      app.add_option_function<std::string>(
             flag_of(row), [&](const std::string& text) { keep_flag(arguments, row, text); },
             help_of(row))
          ->type_name(row.type);
      return;
  }
}

// The command is cut off before CLI11 looks, so its own usage line would not know it.
class RunFormatter : public CLI::Formatter {
 public:
  explicit RunFormatter(std::string usage) : usage_("Usage: holdfast " + std::move(usage)) {}
  std::string make_usage(const CLI::App*, std::string) const override { return usage_ + "\n"; }

 private:
  std::string usage_;
};

constexpr const char* kRunUsage =
    "run [OPTIONS] --listen [NAME=]ADDRESS ... -- COMMAND [ARG...]\n"
    "       holdfast run [OPTIONS] --config FILE";
constexpr const char* kCheckUsage = "check --config FILE [OPTIONS of run] [-- COMMAND [ARG...]]";

}  // namespace

RunCommand::RunCommand(CLI::App& app, Kind kind, RunArguments& arguments) {
  const bool runs = kind == Kind::Run;
  command_ = runs ? app.add_subcommand("run", "Start a service and supervise it")
                  : app.add_subcommand("check", "Say what run would refuse; touch nothing");
  command_->formatter(std::make_shared<RunFormatter>(runs ? kRunUsage : kCheckUsage));
  command_->footer(
      "Durations have a unit: 500ms, 30s, 10m; so have sizes: 256MiB. Each option may also be a "
      "variable (HOLDFAST_READY_TIMEOUT) or a key in the file (ready_timeout); a flag beats both. "
      "Signals: HUP reloads, TERM stops, USR1 reopens logs, TTIN and TTOU add and remove a "
      "worker.");
  for (const OptionRow& row : option_table()) {
    if (row.where != OptionRow::Where::OnlyInFile) add_flag(*command_, arguments, row);
  }
}

bool RunCommand::chosen() const { return command_->parsed(); }

}  // namespace holdfast::supervisor
