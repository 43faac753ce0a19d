#include "supervisor/cli/parse_failure.hpp"

#include <algorithm>

#include <CLI/CLI.hpp>

#include "supervisor/core/nearest.hpp"

namespace holdfast::supervisor {
namespace {

std::string meant(const std::string& guess) {
  return guess.empty() ? std::string() : "; did you mean " + guess + "?";
}

std::string unknown_flag(const CLI::App& app, const std::string& argument) {
  const std::string flag = argument.substr(0, argument.find('='));
  std::vector<std::string> known;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) known.push_back(name);
  }
  const std::size_t name = std::min(flag.find_first_not_of('-'), flag.size());
  const std::string guess = nearest(flag.substr(name), known);
  return "unknown flag " + flag + meant(guess.empty() ? guess : "--" + guess);
}

std::string unknown_subcommand(const CLI::App& app, const std::string& word) {
  std::vector<std::string> known;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    known.push_back(command->get_name());
  return "unknown subcommand " + word + meant(nearest(word, known));
}

// CLI11 knows what is left over; the first of it that was typed is what the rest follows from.
std::string leftover(const CLI::App& app, const std::vector<std::string>& arguments) {
  const std::vector<std::string> left = app.remaining(true);
  const auto is_left = [&](const std::string& argument) {
    return std::ranges::find(left, argument) != left.end();
  };
  const auto found = std::ranges::find_if(arguments, is_left);
  const std::string first = found == arguments.end() ? "" : *found;
  const auto chosen = app.get_subcommands();
  const CLI::App& command = chosen.empty() ? app : *chosen.front();
  if (first.starts_with('-')) return unknown_flag(command, first);
  if (chosen.empty()) return unknown_subcommand(app, first);
  const bool runs = command.get_name() == "run" || command.get_name() == "check";
  return "unexpected '" + first + "'" + (runs ? "; the service's command goes behind --" : "");
}

}  // namespace

std::string describe_parse_failure(const CLI::App& app, const std::vector<std::string>& arguments,
                                   const CLI::ParseError& error) {
  constexpr std::string_view kOurs = "cannot ";
  // What is missing may be what was mistyped.
  const bool extras =
      dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr ||
      (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && !app.remaining(true).empty());
  std::string cause = extras ? leftover(app, arguments) : error.what();
  // CLI11 ends some of its messages with a newline; ours is one line.
  std::ranges::replace(cause, '\n', ' ');
  if (cause.starts_with(kOurs)) return cause;
  // "--timeout: cannot parse duration '5': ..." says itself what cannot be done.
  const std::size_t colon = cause.find(": ");
  if (colon != std::string::npos && cause.compare(colon + 2, kOurs.size(), kOurs) == 0)
    return cause.substr(colon + 2) + " (" + cause.substr(0, colon) + ")";
  return "cannot parse the command line: " + cause;
}

}  // namespace holdfast::supervisor
