#include "supervisor/core/environment_entry.hpp"

#include <gtest/gtest.h>

namespace holdfast::supervisor {
namespace {

using Source = EnvironmentEntry::Source;

TEST(EnvironmentEntryTest, FlagGivesAValueOrInherits) {
  EXPECT_EQ(parse_environment_entry("A=b=c").value(), (EnvironmentEntry{"A", Source::Text, "b=c"}));
  EXPECT_EQ(parse_environment_entry("A=").value(), (EnvironmentEntry{"A", Source::Text, ""}));
  EXPECT_EQ(parse_environment_entry("A_1").value(), (EnvironmentEntry{"A_1", Source::Inherited}));
}

TEST(EnvironmentEntryTest, NamesThatNoShellTakesAndOurOwnAreRefused) {
  for (const char* text : {"", "=x", "1A=x", "A-B=x", "A B", "HOLDFAST_CHANNEL_FD=3",
                           "LISTEN_FDS=1", "NOTIFY_SOCKET=/x", "WATCHDOG_USEC=1", "PWD=/"}) {
    EXPECT_FALSE(parse_environment_entry(text)) << text;
  }
}

TEST(EnvironmentFileTest, ValuesStandAsTheyAre) {
  const auto entries =
      parse_environment_file("f", "# comment\n\nA=one two\r\n  \nB=\"quoted\"\nC=\nD=last");
  ASSERT_TRUE(entries) << entries.error().message;
  EXPECT_EQ(*entries, (std::vector<EnvironmentEntry>{{"A", Source::Text, "one two"},
                                                     {"B", Source::Text, "\"quoted\""},
                                                     {"C", Source::Text, ""},
                                                     {"D", Source::Text, "last"}}));
}

TEST(EnvironmentFileTest, MistakeNamesItsLineAndNotItsText) {
  EXPECT_EQ(parse_environment_file("/f", "A=1\nsecret").error().message,
            "cannot read /f:2: expected NAME=VALUE");
  EXPECT_EQ(parse_environment_file("/f", "A-B=secret").error().message,
            "cannot read /f:1: that is no name of a variable");
  EXPECT_FALSE(parse_environment_file("/f", std::string_view("A=\0", 3)));
}

}  // namespace
}  // namespace holdfast::supervisor
