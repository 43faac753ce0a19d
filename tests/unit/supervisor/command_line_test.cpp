#include "supervisor/cli/command_line.hpp"

#include <gtest/gtest.h>

namespace holdfast::supervisor {
namespace {

using namespace std::chrono_literals;
using Action = CommandLine::Action;

CommandLine parse(std::vector<std::string> arguments) { return parse_command_line(arguments); }

Options options_of(const CommandLine& line) {
  EXPECT_EQ(line.action, Action::Run) << line.text;
  auto options = merge_options({line.run.flags});
  EXPECT_TRUE(options) << options.error().message;
  options->command = line.run.command;
  return *options;
}

Options run_with(std::vector<std::string> flags) {
  std::vector<std::string> arguments{"run", "--listen", ":80"};
  arguments.insert(arguments.end(), flags.begin(), flags.end());
  arguments.insert(arguments.end(), {"--", "service"});
  return options_of(parse(arguments));
}

TEST(CommandLineTest, DefaultsAreThoseOfTheOptions) {
  const Options options = run_with({});
  EXPECT_EQ(options.fleet, FleetPolicy{});
  EXPECT_EQ(options.name, "default");
  EXPECT_EQ(options.access_log, "stdout");
  EXPECT_EQ(options.command, std::vector<std::string>{"service"});
}

TEST(CommandLineTest, EveryFlagReachesItsOption) {
  const Options options = run_with({"--name",
                                    "shop",
                                    "--listen",
                                    "admin=unix:/run/a,mode=0600",
                                    "--workers",
                                    "3",
                                    "--ready-timeout",
                                    "1s",
                                    "--pause-timeout",
                                    "2ms",
                                    "--stop-timeout",
                                    "3s",
                                    "--lame-duck",
                                    "10s",
                                    "--stop-timeout-max",
                                    "30s",
                                    "--kill-timeout",
                                    "4s",
                                    "--syn-wait",
                                    "5ms",
                                    "--new-grace",
                                    "6ms",
                                    "--idle-grace",
                                    "7ms",
                                    "--idle-spread",
                                    "10ms",
                                    "--orphan-timeout",
                                    "0",
                                    "--give-up",
                                    "8",
                                    "--max-old-generations",
                                    "9",
                                    "--access-log",
                                    "off",
                                    "--cwd",
                                    "/srv",
                                    "--pid-file",
                                    "/run/x.pid"});
  EXPECT_EQ(options.fleet, (FleetPolicy{3, 1s, 2ms, 3s, 30s, 4s, 5ms, 10s, 8, 9}));
  EXPECT_EQ(options.name, "shop");
  ASSERT_EQ(options.listeners.size(), 2U);
  EXPECT_EQ(options.listeners[1].name, "admin");
  EXPECT_EQ(options.new_grace, 6ms);
  EXPECT_EQ(options.idle_grace, 7ms);
  EXPECT_EQ(options.idle_spread, 10ms);
  EXPECT_EQ(options.orphan_timeout, 0ms);
  EXPECT_EQ(options.access_log, "off");
  EXPECT_EQ(options.cwd, "/srv");
  EXPECT_EQ(options.pid_file, "/run/x.pid");
}

TEST(CommandLineTest, WhatFollowsTheDashesBelongsToTheService) {
  const CommandLine line =
      parse({"run", "--listen", ":80", "--", "service", "--help", "--", "--listen"});
  EXPECT_EQ(options_of(line).command,
            (std::vector<std::string>{"service", "--help", "--", "--listen"}));
}

class UsageErrorTest : public ::testing::TestWithParam<std::vector<std::string>> {};

TEST_P(UsageErrorTest, IsOneLineAndExitsWithTwo) {
  const CommandLine line = parse(GetParam());
  EXPECT_EQ(line.action, Action::Fail);
  EXPECT_EQ(line.code, ExitCode::Usage);
  EXPECT_TRUE(line.text.starts_with("cannot parse ")) << line.text;
  EXPECT_EQ(line.text.find("cannot "), line.text.rfind("cannot ")) << line.text;
  EXPECT_EQ(line.text.find('\n'), std::string::npos) << line.text;
}

INSTANTIATE_TEST_SUITE_P(CommandLine, UsageErrorTest,
                         ::testing::ValuesIn(std::vector<std::vector<std::string>>{
                             {},
                             {"dance"},
                             {"run", "--listen", "--", "service"},
                             {"run", "--listen", "example.com:80", "--", "service"},
                             {"run", "--listen", ":80", "service"},
                             {"run", "--listen", ":80", "--frob", "--", "service"},
                             {"run", "--listen", ":80", "--workers", "0", "--", "service"},
                             {"run", "--listen", ":80", "--workers", "-1", "--", "service"},
                             {"run", "--listen", ":80", "--workers", "3x", "--", "service"},
                             {"run", "--listen", ":80", "--ready-timeout", "5", "--", "service"},
                             {"run", "--listen", ":80", "--max-rss", "5", "--", "service"},
                             {"run", "--listen", ":80", "--umask", "8", "--", "service"},
                             {"run", "--listen", ":80", "--env", "=x", "--", "service"},
                             {"run", "--listen", ":80", "--name", "../x", "--", "service"},
                             {"run", "--listen", ":80", "--name", "", "--", "service"},
                             {"run", "--listen", ":80", "--give-up", "0", "--", "service"}}));

TEST(CommandLineTest, MistypedWordIsNamedAndWhatWasMeant) {
  const std::string begin = "cannot parse the command line: ";
  const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
      {{"run", "--redy-timeout", "5s", "--listen", ":80", "--", "x"},
       "unknown flag --redy-timeout; did you mean --ready-timeout?"},
      {{"run", "--listen", ":80", "--redy-timeout=5s", "--wokers", "2"},
       "unknown flag --redy-timeout; did you mean --ready-timeout?"},
      {{"reload", "--wiat"}, "unknown flag --wiat; did you mean --wait?"},
      {{"status", "--frobnicate"}, "unknown flag --frobnicate"},
      {{"--versoin"}, "unknown flag --versoin; did you mean --version?"},
      {{"relaod", "--wait"}, "unknown subcommand relaod; did you mean reload?"},
      {{"dance"}, "unknown subcommand dance"},
      {{"run", "--workers", "2", "service", "argument"},
       "unexpected 'service'; the service's command goes behind --"},
      {{"scale", "1", "2"}, "unexpected '2'"},
      {{"scale", "+x"}, "'+x' is not a number from -1024 to 1024"},
      {{"scale", "-x"}, "unknown flag -x"},
  };
  for (const auto& [arguments, cause] : cases)
    EXPECT_EQ(parse(arguments).text, begin + cause) << arguments.back();
}

TEST(CommandLineTest, CauseThatSaysWhatCannotBeDoneStandsAlone) {
  EXPECT_EQ(parse({"reload", "--timeout", "5"}).text,
            "cannot parse duration '5': a unit is missing: us, ms, s, m or h (--timeout)");
  EXPECT_EQ(parse({"run", "--ready-timeout", "5"}).text,
            "cannot parse duration '5': a unit is missing: us, ms, s, m or h (--ready-timeout)");
}

TEST(CommandLineTest, HelpAndVersionArePrinted) {
  EXPECT_EQ(parse({"--version"}).action, Action::Print);
  EXPECT_TRUE(parse({"--version"}).text.starts_with("holdfast "));
  EXPECT_EQ(parse({"--help"}).action, Action::Print);
  const CommandLine help = parse({"run", "--help"});
  EXPECT_EQ(help.action, Action::Print);
  EXPECT_NE(help.text.find("holdfast run [OPTIONS] --listen [NAME=]ADDRESS ... -- COMMAND"),
            std::string::npos)
      << help.text;
}

}  // namespace
}  // namespace holdfast::supervisor
