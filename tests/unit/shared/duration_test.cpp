#include "shared/core/duration.hpp"

#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(DurationTest, NumbersAndUnitsAreRead) {
  const std::vector<std::pair<std::string_view, std::int64_t>> cases{
      {"0", 0},
      {"0s", 0},
      {"30s", 30'000},
      {"500ms", 500},
      {"1.5s", 1'500},
      {"0.25m", 15'000},
      {"10m", 600'000},
      {"10min", 600'000},
      {"2h", 7'200'000},
      {"007s", 7'000},
      {"1500us", 1},
      {"999us", 0},
      {"0.0", 0},
      {"1.0009s", 1000},
      {"10000h", 36'000'000'000},
      {"0.000000000000000000001h", 0},
      {"1.9999999999999999s", 1'999},
  };
  for (const auto& [text, millis] : cases) {
    const auto duration = parse_duration(text);
    ASSERT_TRUE(duration) << duration.error().message;
    EXPECT_EQ(duration->count(), millis) << text;
  }
}

TEST(DurationTest, AnythingElseIsRefused) {
  for (const std::string_view text :
       {"",          " ",      "s",          "30",      "1.5",
        "-1s",       "+1s",    " 1s",        "1s ",     "1 s",
        "1.s",       ".5s",    "1..5s",      "1,5s",    "1d",
        "1S",        "1sec",   "1s1",        "1m30s",   "0x1s",
        "1e3s",      "10001h", "10000.001h", "600001m", "99999999999999999999h",
        "36000001s", "inf"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(DurationTest, ErrorsSayWhatWasExpected) {
  EXPECT_EQ(parse_duration("30").error().message,
            "cannot parse duration '30': a unit is missing: us, ms, s, m or h");
}

TEST(DurationTest, FormattingIsShortAndExact) {
  const std::vector<std::pair<std::int64_t, std::string_view>> cases{
      {0, "0s"},      {1, "1ms"},        {1'500, "1500ms"},  {90'000, "90s"},
      {60'000, "1m"}, {7'200'000, "2h"}, {5'400'000, "90m"}, {3'600'001, "3600001ms"},
  };
  for (const auto& [millis, text] : cases) {
    EXPECT_EQ(format_duration(Millis{millis}), text);
    EXPECT_EQ(parse_duration(text)->count(), millis);
  }
}

}  // namespace
}  // namespace holdfast
