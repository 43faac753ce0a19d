#include "supervisor/core/option_table.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "supervisor/core/config_values.hpp"
#include "supervisor/core/nearest.hpp"
#include "supervisor/core/option_values.hpp"

namespace holdfast::supervisor {
namespace {

using namespace std::chrono_literals;

const OptionRow& row_named(const std::string& name) {
  const auto found = std::ranges::find(option_table(), name, &OptionRow::name);
  EXPECT_NE(found, option_table().end()) << name;
  return *found;
}

OptionValues values(std::initializer_list<std::pair<const char*, const char*>> texts) {
  OptionValues all;
  for (const auto& [name, text] : texts) all.push_back({&row_named(name), text, "use it"});
  return all;
}

TEST(OptionTableTest, NamesAreUniqueAndSpellFlagVariableAndKey) {
  std::set<std::string> names;
  for (const OptionRow& row : option_table()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_FALSE(row.help.empty()) << row.name;
    EXPECT_TRUE(row.set) << row.name;
  }
  const OptionRow& row = row_named("ready-timeout");
  EXPECT_EQ(flag_of(row), "--ready-timeout");
  EXPECT_EQ(variable_of(row), "HOLDFAST_READY_TIMEOUT");
  EXPECT_EQ(key_of(row), "ready_timeout");
  EXPECT_EQ(find_by_variable("HOLDFAST_READY_TIMEOUT"), &row);
  EXPECT_EQ(find_by_key("ready_timeout"), &row);
}

TEST(OptionTableTest, FileDoesNotNameItselfAndTheCommandIsNoVariable) {
  EXPECT_EQ(find_by_key("config"), nullptr);
  EXPECT_EQ(find_by_variable("HOLDFAST_COMMAND"), nullptr);
}

std::string read_page(const std::string& name) {
  std::ifstream in(std::string(HOLDFAST_DOCS_DIR) + "/" + name);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(OptionDocsTest, EveryOptionHasItsRowWithFlagVariableAndKey) {
  const std::string page = read_page("options.md");
  for (const OptionRow& row : option_table()) {
    const bool only_in_file = row.where == OptionRow::Where::OnlyInFile;
    const std::string key = row.where == OptionRow::Where::NotInFile ? "" : "`" + key_of(row) + "`";
    const std::string names =
        only_in_file ? "` | | " + key + " | " : "` | `" + variable_of(row) + "` | " + key + " | ";
    std::istringstream lines(page);
    bool found = false;
    for (std::string line; std::getline(lines, line);) {
      const bool its_own = only_in_file || line.starts_with("| `" + flag_of(row) + " ") ||
                           line.starts_with("| `" + flag_of(row) + "`");
      found = found || (its_own && line.find(names) != std::string::npos);
    }
    EXPECT_TRUE(found) << "docs/options.md has no row for " << flag_of(row) << " with " << names;
  }
}

TEST(OptionDocsTest, DocumentedFileIsGood) {
  const auto values = values_of_config("example", read_page("examples/holdfast.json"));
  ASSERT_TRUE(values) << values.error().message;
  const auto options = merge_options({*values});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_TRUE(check_options(*options));
}

struct Sample {
  const char* name;
  const char* text;
  std::function<bool(const Options&)> arrived;
};

const std::vector<Sample>& samples() {
  static const std::vector<Sample> all{
      {"config", "/f", [](const Options& o) { return o.config == "/f"; }},
      {"name", "shop", [](const Options& o) { return o.name == "shop"; }},
      {"metrics", ":9100", [](const Options& o) { return o.metrics.has_value(); }},
      {"listen", ":81", [](const Options& o) { return o.listeners.size() == 1; }},
      {"command", "./x", [](const Options& o) { return o.command.size() == 1; }},
      {"workers", "3", [](const Options& o) { return o.fleet.workers == 3; }},
      {"label", "a b", [](const Options& o) { return o.label == "a b"; }},
      {"access-log", "off", [](const Options& o) { return o.access_log == "off"; }},
      {"pid-file", "/p", [](const Options& o) { return o.pid_file == "/p"; }},
      {"ready-timeout", "1s", [](const Options& o) { return o.fleet.ready_timeout == 1s; }},
      {"pause-timeout", "1s", [](const Options& o) { return o.fleet.pause_timeout == 1s; }},
      {"stop-timeout", "1s", [](const Options& o) { return o.fleet.stop_timeout == 1s; }},
      {"stop-timeout-max", "1s", [](const Options& o) { return o.fleet.stop_timeout_max == 1s; }},
      {"kill-timeout", "1s", [](const Options& o) { return o.fleet.kill_timeout == 1s; }},
      {"syn-wait", "1s", [](const Options& o) { return o.fleet.syn_wait == 1s; }},
      {"lame-duck", "1s", [](const Options& o) { return o.fleet.lame_duck == 1s; }},
      {"new-grace", "1s", [](const Options& o) { return o.new_grace == 1s; }},
      {"idle-grace", "3s", [](const Options& o) { return o.idle_grace == 3s; }},
      {"idle", "handoff", [](const Options& o) { return o.fleet.idle == IdlePolicy::Handoff; }},
      {"idle-spread", "1s", [](const Options& o) { return o.idle_spread == 1s; }},
      {"orphan-timeout", "0", [](const Options& o) { return o.orphan_timeout == 0s; }},
      {"max-old-generations", "2",
       [](const Options& o) { return o.fleet.max_old_generations == 2; }},
      {"probation", "0", [](const Options& o) { return o.fleet.probation == 0s; }},
      {"probation-errors", "7%", [](const Options& o) { return o.fleet.probation_errors == 7; }},
      {"canary", "1", [](const Options& o) { return o.fleet.canary == 1; }},
      {"canary-time", "1s", [](const Options& o) { return o.fleet.canary_time == 1s; }},
      {"no-rollback", "true", [](const Options& o) { return !o.fleet.rollback; }},
      {"give-up", "3", [](const Options& o) { return o.fleet.give_up == 3; }},
      {"heartbeat-timeout", "1s", [](const Options& o) { return o.fleet.heartbeat_timeout == 1s; }},
      {"max-requests", "9", [](const Options& o) { return o.fleet.max_requests == 9; }},
      {"max-rss", "2MiB", [](const Options& o) { return o.fleet.max_rss == 2'097'152; }},
      {"max-age", "1h", [](const Options& o) { return o.fleet.max_age == 1h; }},
      {"cwd", "/srv", [](const Options& o) { return o.cwd == "/srv"; }},
      {"env", "A=1",
       [](const Options& o) {
         return o.environment == std::vector<EnvironmentEntry>{{"A", {}, "1"}};
       }},
      {"env-file", "/e", [](const Options& o) { return o.env_files.size() == 1; }},
      {"clean-env", "yes", [](const Options& o) { return o.clean_env; }},
      {"user", "nobody", [](const Options& o) { return o.user == "nobody"; }},
      {"group", "4", [](const Options& o) { return o.group == "4"; }},
      {"groups", "adm", [](const Options& o) { return o.groups.size() == 1; }},
      {"no-new-privs", "1", [](const Options& o) { return o.no_new_privs; }},
      {"nofile", "512", [](const Options& o) { return o.nofile == 512U; }},
      {"umask", "027", [](const Options& o) { return o.umask == 027U; }},
      {"nice", "-5", [](const Options& o) { return o.nice == -5; }},
  };
  return all;
}

TEST(OptionTableTest, EveryOptionReachesItsField) {
  for (const Sample& sample : samples()) {
    EXPECT_FALSE(sample.arrived(Options{})) << sample.name << ": the sample is the default";
    const auto options = merge_options({values({{sample.name, sample.text}})});
    ASSERT_TRUE(options) << options.error().message;
    EXPECT_TRUE(sample.arrived(*options)) << sample.name;
  }
}

TEST(OptionTableTest, NoValueOfTheWrongKindIsTaken) {
  const std::map<std::string, const char*> wrong{{"name", "../x"},
                                                 {"listen", "example.com:80"},
                                                 {"workers", "0"},
                                                 {"label", "\n"},
                                                 {"ready-timeout", "5"},
                                                 {"idle", "open"},
                                                 {"probation-errors", "50"},
                                                 {"canary", "-1"},
                                                 {"no-rollback", "maybe"},
                                                 {"give-up", "0"},
                                                 {"max-rss", "5"},
                                                 {"env", "A-B=1"},
                                                 {"nofile", "1"},
                                                 {"umask", "9"},
                                                 {"nice", "20"},
                                                 {"max-age", "1 day"},
                                                 {"env-file", ""},
                                                 {"max-old-generations", "0"}};
  for (const auto& [name, text] : wrong) {
    Options options;
    EXPECT_FALSE(row_named(name).set(options, text)) << name;
  }
}

TEST(OptionValuesTest, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
  const OptionValues file = values({{"workers", "2"}, {"stop-timeout", "2s"}, {"syn-wait", "2s"}});
  const OptionValues environment = values({{"workers", "3"}, {"stop-timeout", "3s"}});
  const OptionValues flags = values({{"workers", "4"}});
  const auto options = merge_options({file, environment, flags});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->fleet.workers, 4U);
  EXPECT_EQ(options->fleet.stop_timeout, 3s);
  EXPECT_EQ(options->fleet.syn_wait, 2s);
  EXPECT_EQ(options->fleet.kill_timeout, FleetPolicy{}.kill_timeout);
}

TEST(OptionValuesTest, StrongerListReplacesTheWeakerWhole) {
  const auto options = merge_options(
      {values({{"listen", "a=:1"}, {"listen", "b=:2"}}), values({{"listen", "c=:3"}})});
  ASSERT_TRUE(options) << options.error().message;
  ASSERT_EQ(options->listeners.size(), 1U);
  EXPECT_EQ(options->listeners[0].name, "c");
}

TEST(OptionValuesTest, VariablesOfWorkersAreDecidedOneByOne) {
  const auto options =
      merge_options({values({{"env", "A=1"}, {"env", "B=1"}}), values({{"env", "B=2"}})});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->environment, (std::vector<EnvironmentEntry>{{"A", {}, "1"}, {"B", {}, "2"}}));
}

TEST(OptionValuesTest, WrongValueBehindAStrongerOneIsStillAnError) {
  EXPECT_FALSE(merge_options({values({{"workers", "x"}}), values({{"workers", "2"}})}));
}

TEST(OptionValuesTest, EnvironmentIsReadByTheNamesOfTheTable) {
  const auto read = values_of_environment({{"PATH", "/bin"},
                                           {"HOLDFAST_WORKERS", "7"},
                                           {"HOLDFAST_LISTEN", "a=:1  b=:2"},
                                           {"HOLDFAST_NO_ROLLBACK", "true"}});
  ASSERT_TRUE(read) << read.error().message;
  const auto options = merge_options({*read});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->fleet.workers, 7U);
  EXPECT_EQ(options->listeners.size(), 2U);
  EXPECT_FALSE(options->fleet.rollback);
}

TEST(OptionValuesTest, UnknownVariableIsAnErrorThatNamesTheNearest) {
  const auto read = values_of_environment({{"HOLDFAST_REDY_TIMEOUT", "1s"}});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message,
            "cannot use HOLDFAST_REDY_TIMEOUT: there is no such variable; did you mean "
            "\"HOLDFAST_READY_TIMEOUT\"?");
}

TEST(OptionValuesTest, BadValueOfAVariableNamesTheVariable) {
  const auto read = values_of_environment({{"HOLDFAST_WORKERS", "many"}});
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().message,
            "cannot use HOLDFAST_WORKERS: 'many' is not a number from 1 to 1024");
}

TEST(OptionValuesTest, VariablesThatMeanSomethingElseAreLeftAlone) {
  for (const char* name : {"HOLDFAST_CHANNEL_FD", "HOLDFAST_TEST_RELOADS", "HOLDFAST_SERVICE_HOST",
                           "HOLDFAST_PORT", "HOLDFAST_PORT_80_TCP"}) {
    const auto read = values_of_environment({{name, "x"}});
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_TRUE(read->empty()) << name;
  }
}

TEST(OptionValuesTest, IncompleteOptionsSayWhatIsMissing) {
  Options options;
  EXPECT_EQ(check_options(options).error().message, "--listen is required");
  options.listeners.push_back({});
  EXPECT_EQ(check_options(options).error().message, "expected -- COMMAND [ARG...]");
  options.command = {"service"};
  EXPECT_TRUE(check_options(options));
  options.fleet.stop_timeout_max = 59s;
  EXPECT_EQ(check_options(options).error().message, "--stop-timeout-max is below --stop-timeout");
  options.fleet.stop_timeout_max = 0s;
  options.group = "adm";
  EXPECT_EQ(check_options(options).error().message, "--group and --groups need --user");
}

TEST(OptionValuesTest, OnlyEffectiveChangesOfWhatIsFixedNeedARestart) {
  const OptionValues before = values({{"name", "a"}, {"workers", "1"}});
  const OptionValues after = values({{"name", "b"}, {"workers", "2"}});
  EXPECT_EQ(needs_restart({before}, {after}), std::vector<std::string>{"name"});
  const OptionValues flags = values({{"name", "c"}});
  EXPECT_TRUE(needs_restart({before, flags}, {after, flags}).empty());
}

TEST(NearestTest, FindsWhatWasMeantAndNothingForAStranger) {
  const std::vector<std::string> words{"ready_timeout", "stop_timeout", "workers", "env"};
  EXPECT_EQ(nearest("redy_timeout", words), "ready_timeout");
  EXPECT_EQ(nearest("wrokers", words), "workers");
  EXPECT_EQ(nearest("ready-timeout", words), "ready_timeout");
  EXPECT_EQ(nearest("xyz", words), "");
  EXPECT_EQ(nearest("certificate", words), "");
  EXPECT_EQ(nearest(std::string(10'000, 'e'), words), "");
}

}  // namespace
}  // namespace holdfast::supervisor
