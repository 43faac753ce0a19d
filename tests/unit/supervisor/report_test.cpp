#include "supervisor/core/report.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace holdfast::supervisor {
namespace {

using Json = nlohmann::json;

TEST(ReportTest, IsOneJsonLineWithItsFieldsInOrder) {
  const Report entry = failure("reload_failed")
                           .with("generation", std::uint64_t{2})
                           .with("exit_code", std::int64_t{-1})
                           .with("reason", std::string("a \"quoted\"\nline"))
                           .with("flag", true)
                           .with("list", RawJson{"[1]"});
  EXPECT_EQ(to_json_line(entry, WallTime{}),
            "{\"logged_at\":\"1970-01-01T00:00:00.000000Z\",\"type\":\"event\",\"severity\":"
            "\"error\",\"event\":\"reload_failed\",\"generation\":2,\"exit_code\":-1,\"reason\":"
            "\"a \\\"quoted\\\"\\nline\",\"flag\":true,\"list\":[1]}\n");
}

TEST(ReportTest, LastLinesThatFitAreKept) {
  std::vector<std::string> lines;
  for (int i = 0; i < 64; ++i) lines.push_back("line " + std::to_string(i));
  const RawJson json = lines_json(lines, 100);
  EXPECT_LE(json.text.size(), 100U);
  const Json parsed = Json::parse(json.text);
  EXPECT_EQ(parsed.back(), "line 63");
  EXPECT_GT(parsed.size(), 5U);
}

TEST(ReportTest, LinesOfAnyBytesAreValidJson) {
  std::string bytes;
  for (int c = 0; c < 256; ++c) bytes += static_cast<char>(c);
  const RawJson json = lines_json({bytes, std::string(9'000, '\1')}, 2'500);
  EXPECT_LE(json.text.size(), 2'500U);
  EXPECT_TRUE(Json::accept(json.text));
}

TEST(ReportTest, NoLinesAreAnEmptyArray) { EXPECT_EQ(lines_json({}, 100).text, "[]"); }

}  // namespace
}  // namespace holdfast::supervisor
