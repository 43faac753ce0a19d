#include <algorithm>

#include <gtest/gtest.h>

#include "supervisor/cli/command_line.hpp"
#include "supervisor/core/option_table.hpp"

namespace holdfast::supervisor {
namespace {

using Action = CommandLine::Action;
using Command = ClientOptions::Command;

ClientOptions client_of(const std::vector<std::string>& arguments) {
  const CommandLine line = parse_command_line(arguments);
  EXPECT_EQ(line.action, Action::Client) << line.text;
  return line.client;
}

std::string fault_in(const std::vector<std::string>& arguments) {
  const CommandLine line = parse_command_line(arguments);
  EXPECT_EQ(line.action, Action::Fail);
  EXPECT_EQ(line.code, ExitCode::Usage);
  return line.text;
}

std::string printed_by(const std::vector<std::string>& arguments) {
  const CommandLine line = parse_command_line(arguments);
  EXPECT_EQ(line.action, Action::Print) << line.text;
  return line.text;
}

std::size_t longest_line(const std::string& text) {
  std::size_t longest = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    longest = std::max(longest, end - begin);
    begin = end + 1;
  }
  return longest;
}

const std::vector<std::string> kClientNames{"reload", "metrics",     "status", "events",
                                            "scale",  "reopen-logs", "stop"};

TEST(ClientCommandLineTest, ReloadWaitsForWhatItIsTold) {
  EXPECT_EQ(client_of({"reload"}).command, Command::Reload);
  EXPECT_EQ(client_of({"reload"}).until, ReloadWait::No);
  EXPECT_EQ(client_of({"reload", "--wait"}).until, ReloadWait::Committed);
  EXPECT_EQ(client_of({"reload", "--wait=committed"}).until, ReloadWait::Committed);
  EXPECT_EQ(client_of({"reload", "--wait=drained"}).until, ReloadWait::Drained);
  EXPECT_EQ(client_of({"reload", "--wait", "drained"}).until, ReloadWait::Drained);
  const ClientOptions all = client_of({"reload", "--wait", "--timeout", "5s", "--json"});
  EXPECT_EQ(all.until, ReloadWait::Committed);
  EXPECT_EQ(all.timeout, Millis{5'000});
  EXPECT_TRUE(all.json);
  EXPECT_NE(fault_in({"reload", "--wait=ready"}).find("neither committed nor drained"),
            std::string::npos);
  EXPECT_NE(fault_in({"reload", "--timeout", "5"}).find("unit"), std::string::npos);
}

TEST(ClientCommandLineTest, ScaleKnowsAbsoluteFromRelative) {
  EXPECT_EQ(client_of({"scale", "4"}).scale, (ScaleOrder{0, 4}));
  EXPECT_EQ(client_of({"scale", "+2"}).scale, (ScaleOrder{2}));
  EXPECT_EQ(client_of({"scale", "-2"}).scale, (ScaleOrder{-2}));
  for (const char* bad : {"0", "", "x", "1025", "+", "--2", "+-2", "2.5", "-1025"})
    EXPECT_EQ(parse_command_line({"scale", bad}).action, Action::Fail) << bad;
  EXPECT_EQ(parse_command_line({"scale"}).action, Action::Fail);
}

TEST(ClientCommandLineTest, FlagsReachTheirOptions) {
  const ClientOptions status =
      client_of({"status", "--watch", "--last-failure", "--json", "--name", "shop"});
  EXPECT_EQ(status.command, Command::Status);
  EXPECT_TRUE(status.watch && status.last_failure && status.json);
  EXPECT_EQ(status.name, "shop");
  const ClientOptions stop = client_of({"stop", "--now", "--wait", "--control", "/run/x.sock"});
  EXPECT_EQ(stop.command, Command::Stop);
  EXPECT_TRUE(stop.now && stop.wait);
  EXPECT_EQ(stop.control, "/run/x.sock");
  const ClientOptions events = client_of({"events", "-f", "--output"});
  EXPECT_EQ(events.command, Command::Events);
  EXPECT_TRUE(events.follow && events.output);
  EXPECT_EQ(client_of({"metrics"}).command, Command::Metrics);
  EXPECT_EQ(client_of({"reopen-logs"}).command, Command::ReopenLogs);
  EXPECT_NE(fault_in({"status", "--name", "../x"}).find("name"), std::string::npos);
}

TEST(ClientCommandLineTest, NameThatCouldLeaveTheDirectoryIsRefusedByAll) {
  for (const std::string& command : kClientNames) {
    if (command == "scale") continue;
    EXPECT_EQ(parse_command_line({command, "--name", "a/b"}).action, Action::Fail) << command;
  }
}

TEST(ClientCommandLineTest, HelpOfEachFitsOneScreen) {
  for (const std::string& command : kClientNames) {
    const std::string help = printed_by({command, "--help"});
    EXPECT_LE(std::count(help.begin(), help.end(), '\n'), 24) << help;
    EXPECT_NE(help.find("Usage: holdfast " + command), std::string::npos) << help;
  }
}

TEST(ClientCommandLineTest, HelpOfEveryCommandFitsAScreenOfHundredColumns) {
  std::vector<std::vector<std::string>> helps{{}, {"run"}, {"check"}, {"completion"}};
  for (const std::string& command : kClientNames) helps.push_back({command});
  for (std::vector<std::string>& arguments : helps) {
    arguments.push_back("--help");
    const std::string help = printed_by(arguments);
    EXPECT_LE(std::count(help.begin(), help.end(), '\n'), 50) << help;
    EXPECT_LE(longest_line(help), 100U) << help;
  }
}

TEST(ClientCommandLineTest, RunShowsCommonOptionsFirstAndAllWhenAsked) {
  for (const char* command : {"run", "check"}) {
    const std::string common = printed_by({command, "--help"});
    const std::string all = printed_by({command, "--help-all"});
    EXPECT_LE(longest_line(all), 100U) << all;
    EXPECT_NE(common.find("--help-all"), std::string::npos) << common;
    EXPECT_NE(common.find("holdfast(1)"), std::string::npos) << common;
    std::size_t shown = 0;
    for (const OptionRow& row : option_table()) {
      if (row.where == OptionRow::Where::OnlyInFile) continue;
      shown += common.find("\n  " + flag_of(row)) != std::string::npos;
      EXPECT_NE(all.find("\n  " + flag_of(row)), std::string::npos) << flag_of(row);
    }
    EXPECT_EQ(shown, 25U) << common;
  }
}

TEST(ClientCommandLineTest, UsageSaysOnceWhatIsTaken) {
  const std::string scale = printed_by({"scale", "--help"});
  EXPECT_NE(scale.find("Usage: holdfast scale [OPTIONS] N|+N|-N\n"), std::string::npos) << scale;
  EXPECT_EQ(scale.find("N|+N|-N"), scale.rfind("N|+N|-N")) << scale;
  const std::string completion = printed_by({"completion", "--help"});
  EXPECT_NE(completion.find("Usage: holdfast completion bash|zsh|fish\n"), std::string::npos)
      << completion;
}

TEST(ClientCommandLineTest, CompletionKnowsEveryCommandAndOption) {
  for (const char* shell : {"bash", "zsh", "fish"}) {
    const std::string script = printed_by({"completion", shell});
    for (const std::string& command : kClientNames)
      EXPECT_NE(script.find(command), std::string::npos) << shell << " " << command;
    for (const OptionRow& row : option_table()) {
      if (row.where == OptionRow::Where::OnlyInFile) continue;
      EXPECT_NE(script.find(flag_of(row).substr(2)), std::string::npos) << shell << flag_of(row);
    }
  }
  EXPECT_EQ(parse_command_line({"completion", "csh"}).action, Action::Fail);
}

}  // namespace
}  // namespace holdfast::supervisor
