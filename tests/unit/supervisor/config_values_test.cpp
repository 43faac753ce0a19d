#include "supervisor/core/config_values.hpp"

#include <gtest/gtest.h>

#include "supervisor/core/config_document.hpp"
#include "supervisor/core/option_table.hpp"

namespace holdfast::supervisor {
namespace {

using namespace std::chrono_literals;
using Source = EnvironmentEntry::Source;

Options read_config(const std::string& text) {
  const auto values = values_of_config("f", text);
  EXPECT_TRUE(values) << values.error().message;
  if (!values) return {};
  auto options = merge_options({*values});
  EXPECT_TRUE(options) << options.error().message;
  return options ? *options : Options{};
}

std::string refused(const std::string& text) {
  const auto values = values_of_config("/etc/shop.json", text);
  return values ? "it was taken" : values.error().message;
}

TEST(ConfigTest, WholeFileReachesTheOptions) {
  const Options options = read_config(R"({
    // where clients find us
    "listen": [":80", "admin=127.0.0.1:9000",
               {"name": "local", "address": "unix:/run/shop.sock", "mode": "0660", "group": "www"}],
    "command": ["./shop", "--port", ""],   /* no shell
                                              reads this */
    "workers": 4,
    "ready_timeout": "30s",
    "probation_errors": "20%",
    "no_rollback": true,
    "max_rss": "256MiB",
    "user": "shop",
    "groups": ["audio", "video"],
    "umask": "027",
    "nice": -5,
    "env": {"MODE": "live", "TOKEN": {"file": "/run/token"}, "HOME": {"inherit": true}, "DEBUG": null}
  })");
  ASSERT_EQ(options.listeners.size(), 3U);
  EXPECT_EQ(options.listeners[1].name, "admin");
  const auto& local = std::get<UnixAddress>(options.listeners[2].address);
  EXPECT_EQ(local.mode, 0660U);
  EXPECT_EQ(local.group, "www");
  EXPECT_EQ(options.command, (std::vector<std::string>{"./shop", "--port", ""}));
  EXPECT_EQ(options.fleet.workers, 4U);
  EXPECT_EQ(options.fleet.ready_timeout, 30s);
  EXPECT_EQ(options.fleet.probation_errors, 20U);
  EXPECT_FALSE(options.fleet.rollback);
  EXPECT_EQ(options.fleet.max_rss, 268'435'456U);
  EXPECT_EQ(options.user, "shop");
  EXPECT_EQ(options.groups, (std::vector<std::string>{"audio", "video"}));
  EXPECT_EQ(options.umask, 027U);
  EXPECT_EQ(options.nice, -5);
  EXPECT_EQ(options.environment,
            (std::vector<EnvironmentEntry>{{"MODE", Source::Text, "live"},
                                           {"TOKEN", Source::File, "/run/token"},
                                           {"HOME", Source::Inherited},
                                           {"DEBUG", Source::Removed}}));
}

TEST(ConfigTest, EmptyObjectIsNoOption) { EXPECT_EQ(read_config("{}").fleet, FleetPolicy{}); }

// A value that the flag takes is taken here too, whatever the option.
TEST(ConfigTest, EveryKeyOfTheTableIsKnown) {
  for (const OptionRow& row : option_table()) {
    const std::string message = refused("{\"" + key_of(row) + "\": [[]]}");
    const bool unknown = message.find("unknown key") != std::string::npos;
    EXPECT_EQ(unknown, row.where == OptionRow::Where::NotInFile) << message;
  }
}

struct Mistake {
  const char* name;
  std::string text;
  std::string message;
};

void PrintTo(const Mistake& mistake, std::ostream* out) { *out << mistake.name; }

class ConfigMistakeTest : public ::testing::TestWithParam<Mistake> {};

TEST_P(ConfigMistakeTest, IsShownWhereItStands) {
  EXPECT_EQ(refused(GetParam().text), "cannot read /etc/shop.json:" + GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(
    Config, ConfigMistakeTest,
    ::testing::Values(
        Mistake{"unknown_key", "{\n  \"workers\": 1,\n    \"redy_timeout\": \"1s\"}",
                "3:5: unknown key \"redy_timeout\"; did you mean \"ready_timeout\"?"},
        Mistake{"dashes", "{\"ready-timeout\": \"1s\"}",
                "1:2: unknown key \"ready-timeout\"; did you mean \"ready_timeout\"?"},
        Mistake{"strange_key", "{\"certificate\": 1}", "1:2: unknown key \"certificate\""},
        Mistake{"bad_value", "{\"workers\": 0}",
                "1:13: workers: '0' is not a number from 1 to 1024"},
        Mistake{"no_unit", "{\"ready_timeout\": 60}",
                "1:19: ready_timeout: expected a text with a unit, like \"30s\""},
        Mistake{"no_text", "{\"name\": 5}", "1:10: name: expected a text"},
        Mistake{"no_switch", "{\"no_rollback\": \"yes\"}",
                "1:17: no_rollback: expected true or false"},
        Mistake{"command_text", "{\"command\": \"./shop --fast\"}",
                "1:13: command: expected an array of texts"},
        Mistake{"bad_listener", "{\"listen\": [\":80\", \"example.com:80\"]}",
                "1:20: listen: cannot parse address 'example.com:80': the host must be a numeric "
                "address"},
        Mistake{"listener_key", "{\"listen\": [{\"adress\": \":80\"}]}",
                "1:14: unknown key \"adress\"; did you mean \"address\"?"},
        Mistake{"listener_without", "{\"listen\": [{\"name\": \"a\"}]}",
                "1:13: listen: the address is missing"},
        Mistake{"variable_name", "{\"env\": {\"A-B\": \"1\"}}",
                "1:10: env: 'A-B' is no name of a variable"},
        Mistake{"variable_of_ours", "{\"env\": {\"LISTEN_FDS\": \"1\"}}",
                "1:10: env: LISTEN_FDS is set by holdfast itself"},
        Mistake{"variable_number", "{\"env\": {\"A\": 1}}",
                "1:15: A: expected a text, {\"file\": PATH}, {\"inherit\": true} or null"},
        Mistake{"twice", "{\"workers\": 1, \"workers\": 2}",
                "1:16: the key \"workers\" is there twice"},
        Mistake{"not_an_object", "[]", "1:1: expected an object in braces"},
        Mistake{"empty", "", "1:1: expected a value"},
        Mistake{"no_comma", "{\"workers\": 1\n \"name\": \"a\"}", "2:2: expected a comma or }"},
        Mistake{"trailing_comma", "{\"workers\": 1,\n}",
                "2:1: expected another value behind the comma"},
        Mistake{"no_quotes", "{\"idle\": close}",
                "1:10: expected a value, and close is none; texts stand in double quotes"},
        Mistake{"time_without_quotes", "{\"ready_timeout\": 30s}",
                "1:19: 30s is no number; times, sizes and modes stand in double quotes"},
        Mistake{"octal", "{\"umask\": 022}",
                "1:11: 022 is no number; times, sizes and modes stand in double quotes"},
        Mistake{"open_comment", "{} /* and", "1:4: the comment has no end"},
        Mistake{"open_text", "{\"name\": \"a\n\"}", "1:10: the text has no closing quote"},
        Mistake{"escape", R"({"name": "\q"})", "1:11: no such escape"},
        Mistake{"nul", R"({"name": "a\u0000"})", "1:12: no such character"},
        Mistake{"newline_in_key", R"({"a\nb": 1})", "1:2: unknown key \"a?b\""},
        Mistake{"more", "{} {}", "1:4: expected nothing behind the value"},
        Mistake{"after_umlauts", "{\"label\": \"\xC3\xA4\xC3\xB6\", \"x\": 1}",
                "1:17: unknown key \"x\""}),
    [](const auto& mistake) { return std::string(mistake.param.name); });

TEST(ConfigDocumentTest, EscapesMeanWhatJsonSays) {
  const auto value = parse_config_document("f", R"(["\"\\\/\b\f\n\r\t\u00e4\u20ac\ud83d\ude00"])");
  ASSERT_TRUE(value) << value.error().message;
  EXPECT_EQ(value->items.at(0).text, "\"\\/\b\f\n\r\t\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80");
}

TEST(ConfigDocumentTest, DeepNestingIsRefusedNotFollowed) {
  const auto value = parse_config_document("f", std::string(100'000, '['));
  ASSERT_FALSE(value);
  EXPECT_NE(value.error().message.find("too deeply nested"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::supervisor
