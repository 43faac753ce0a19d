#include "supervisor/cli/client_commands.hpp"

#include <memory>

#include <CLI/CLI.hpp>

#include "shared/core/duration.hpp"
#include "supervisor/cli/help_formatter.hpp"
#include "supervisor/core/option_row.hpp"
#include "supervisor/core/option_table.hpp"

namespace holdfast::supervisor {
namespace {

Millis parse_client_time(const std::string& text) {
  const auto duration = parse_duration(text);
  if (!duration) throw CLI::ValidationError("--timeout", duration.error().message);
  return *duration;
}

std::string parse_client_name(const std::string& text) {
  Options scratch;  // the same rule as for `run`
  const OptionRow* row = find_by_key("name");
  if (auto good = row->set(scratch, text); !good) throw CLI::ValidationError(good.error().message);
  return text;
}

// N, +N or -N.
ScaleOrder parse_scale(const std::string& text) {
  const bool relative = text.starts_with('+') || text.starts_with('-');
  if (text.starts_with("+-")) throw CLI::ValidationError("'" + text + "' has two signs");
  const auto number = parse_number_from(text.starts_with('+') ? text.substr(1) : text,
                                        relative ? -kMaxScale : 1, kMaxScale);
  if (!number) {
    std::string cause = number.error().message;
    if (text.starts_with('+')) cause.insert(1, "+");  // "'x' is not ...": as it was typed
    throw CLI::ValidationError(cause);
  }
  ScaleOrder order;
  if (relative) {
    order.by = *number;
  } else {
    order.to = *number;
  }
  return order;
}

}  // namespace

ClientCommands::ClientCommands(CLI::App& app, ClientOptions& options)
    : app_(app), options_(options) {
  add_reload();
  add_status();
  add_events();
  CLI::App* metrics =
      add(ClientOptions::Command::Metrics, "metrics", "Print metrics in Prometheus' text format");
  add_timeout(*metrics, "Wait at most D for the answer (default: 10s)");
  add_scale();
  add_stop();
  CLI::App* reopen = add(ClientOptions::Command::ReopenLogs, "reopen-logs",
                         "Open the access log anew, after it was renamed");
  add_timeout(*reopen, "Wait at most D for the answer (default: 10s)");
  add_json(*reopen, "Print the reply as JSON");
}

CLI::App* ClientCommands::add(ClientOptions::Command command, const char* name, const char* help) {
  CLI::App* added = app_.add_subcommand(name, help);
  added->formatter(std::make_shared<HelpFormatter>(std::string(name) + " [OPTIONS]"));
  added->parse_complete_callback([this, command] {
    options_.command = command;
    chosen_ = true;
  });
  added
      ->add_option("--control", options_.control,
                   "The supervisor with this socket (default: $HOLDFAST_CONTROL)")
      ->type_name("PATH");
  added
      ->add_option_function<std::string>(
          "--name", [this](const std::string& text) { options_.name = parse_client_name(text); },
          "The supervisor of this name (default: $HOLDFAST_NAME, else default)")
      ->type_name("NAME");
  return added;
}

void ClientCommands::add_timeout(CLI::App& command, const char* help) {
  command
      .add_option_function<std::string>(
          "--timeout",
          [this](const std::string& text) { options_.timeout = parse_client_time(text); }, help)
      ->type_name("D");
}

void ClientCommands::add_json(CLI::App& command, const char* help) {
  command.add_flag("--json", options_.json, help);
}

void ClientCommands::add_reload() {
  CLI::App* reload = add(ClientOptions::Command::Reload, "reload",
                         "Start a new generation, and let the old one drain");
  reload
      ->add_option_function<std::string>(
          "--wait",
          [this](const std::string& text) {
            if (text.empty() || text == "committed") {
              options_.until = ReloadWait::Committed;
            } else if (text == "drained") {
              options_.until = ReloadWait::Drained;
            } else {
              throw CLI::ValidationError("'" + text + "' is neither committed nor drained");
            }
          },
          "Wait for the verdict; drained: and until the old generation is gone")
      ->type_name("[committed|drained]")
      ->expected(0, 1);
  add_timeout(*reload, "Wait at most D; the reload goes on, exit code 13 (default: as it takes)");
  add_json(*reload, "Print the verdict as one line of JSON");
  reload->footer(
      "Exit codes: 0 the new generation serves, 3 not running, 4 permission denied, 6 bad "
      "configuration, 10 failed and the old generation serves on, 12 superseded by a newer reload, "
      "13 timed out. Ctrl-C ends the wait, not the reload.");
}

void ClientCommands::add_status() {
  CLI::App* status =
      add(ClientOptions::Command::Status, "status", "Show what the service is doing");
  status->add_flag("--watch", options_.watch, "Again each second, until Ctrl-C");
  status->add_flag("--last-failure", options_.last_failure,
                   "Why the last reload that failed did, and what it printed");
  add_timeout(*status, "Wait at most D for the answer (default: 10s)");
  add_json(*status, "Print all of it as one line of JSON");
  status->footer(
      "Exit codes: 0 well, 3 not running, 4 permission denied, 11 degraded: fewer workers accept "
      "than are wanted.");
}

void ClientCommands::add_events() {
  CLI::App* events = add(ClientOptions::Command::Events, "events", "Show what has happened");
  events->add_flag("--follow,-f", options_.follow, "And what happens, until Ctrl-C");
  events->add_flag("--output", options_.output, "With --follow: what workers print, too");
  add_timeout(*events, "Wait at most D for the answer (default: 10s)");
  add_json(*events, "Print them as the supervisor wrote them, a line of JSON each");
}

void ClientCommands::add_scale() {
  CLI::App* scale =
      add(ClientOptions::Command::Scale, "scale", "Change how many workers there are");
  scale->formatter(std::make_shared<HelpFormatter>("scale [OPTIONS] N|+N|-N"));
  scale
      ->add_option_function<std::string>(
          "N", [this](const std::string& text) { options_.scale = parse_scale(text); },
          "So many workers, or so many more or fewer; at least 1 stays")
      ->type_name("")
      ->required();
  add_timeout(*scale, "Wait at most D for the answer (default: 10s)");
  add_json(*scale, "Print the reply as JSON");
  scale->footer("It holds until the configured number changes.");
}

void ClientCommands::add_stop() {
  CLI::App* stop =
      add(ClientOptions::Command::Stop, "stop", "Serve what was accepted, then end the supervisor");
  stop->add_flag("--now", options_.now, "Kill the workers at once, whatever they serve");
  stop->add_flag("--wait", options_.wait, "Until the supervisor is gone");
  add_timeout(*stop, "Wait at most D; the stop goes on, exit code 13 (default: as it takes)");
  add_json(*stop, "Print the reply as JSON");
}

}  // namespace holdfast::supervisor
