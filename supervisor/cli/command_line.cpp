#include "supervisor/cli/command_line.hpp"

#include <algorithm>

#include <CLI/CLI.hpp>

#include "supervisor/cli/client_commands.hpp"
#include "supervisor/cli/completion.hpp"
#include "supervisor/cli/help_formatter.hpp"
#include "supervisor/cli/parse_failure.hpp"
#include "supervisor/cli/run_command.hpp"

namespace holdfast::supervisor {
namespace {

CommandLine fail(std::string text) {
  CommandLine result;
  result.text = std::move(text);
  return result;
}

CommandLine print(std::string text) {
  CommandLine result;
  result.action = CommandLine::Action::Print;
  result.text = std::move(text);
  return result;
}

const CLI::App* add_completion(CLI::App& app, std::string& shell) {
  CLI::App* completion = app.add_subcommand("completion", "Print completion for a shell");
  completion->add_option("SHELL", shell, "bash, zsh or fish")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "fish"}))
      ->type_name("");
  completion->formatter(std::make_shared<HelpFormatter>("completion bash|zsh|fish"));
  completion->footer("For example: source <(holdfast completion bash)");
  return completion;
}

}  // namespace

CommandLine parse_command_line(const std::vector<std::string>& arguments) {
  // Cut off first: what follows belongs to the service, whatever it looks like.
  const auto separator = std::ranges::find(arguments, "--");
  std::vector<std::string> ours(arguments.begin(), separator);
  RunArguments run_arguments;
  if (separator != arguments.end()) {
    run_arguments.command.assign(separator + 1, arguments.end());
  }

  CLI::App app("A graceful-restart process supervisor.", "holdfast");
  app.set_version_flag("--version", "holdfast " HOLDFAST_VERSION);
  app.require_subcommand(0, 1);
  const RunCommand run(app, RunCommand::Kind::Run, run_arguments);
  const RunCommand check(app, RunCommand::Kind::Check, run_arguments);
  ClientOptions client_options;
  const ClientCommands client(app, client_options);
  std::string shell;
  const CLI::App* completion = add_completion(app, shell);
  std::ranges::reverse(ours);  // CLI11 takes them from the back
  try {
    app.parse(ours);
  } catch (const CLI::CallForVersion& version) {
    return print(std::string(version.what()) + "\n");
  } catch (const CLI::CallForHelp&) {
    const auto chosen = app.get_subcommands();
    return print(chosen.empty() ? app.help() : chosen.front()->help());
  } catch (const CLI::CallForAllHelp&) {
    return print(app.get_subcommands().front()->help("", CLI::AppFormatMode::All));
  } catch (const CLI::ParseError& error) {
    return fail(describe_parse_failure(app, {arguments.begin(), separator}, error));
  }
  if (completion->parsed()) return print(completion_script(app, shell));
  if (client.chosen()) {
    CommandLine result;
    result.action = CommandLine::Action::Client;
    result.client = std::move(client_options);
    return result;
  }
  if (!run.chosen() && !check.chosen()) {
    return fail("cannot parse the command line: expected a subcommand; see holdfast --help");
  }
  CommandLine result;
  result.action = run.chosen() ? CommandLine::Action::Run : CommandLine::Action::Check;
  result.run = std::move(run_arguments);
  return result;
}

}  // namespace holdfast::supervisor
