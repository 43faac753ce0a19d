#include "shared/core/json_line.hpp"

#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace holdfast {
namespace {

const std::string kReplaced = "\xEF\xBF\xBD";

std::string escaped(std::string_view text, std::size_t limit = std::string_view::npos) {
  std::string out;
  append_json_text(out, text, limit);
  return out;
}

std::string parsed(std::string_view text, std::size_t limit = std::string_view::npos) {
  return nlohmann::json::parse("\"" + escaped(text, limit) + "\"").get<std::string>();
}

TEST(JsonLineTest, EveryByteGivesValidJson) {
  for (int i = 0; i < 256; ++i) {
    const std::string text = "a" + std::string(1, static_cast<char>(i)) + "b";
    EXPECT_EQ(parsed(text), i < 0x80 ? text : "a" + kReplaced + "b") << i;
    for (const char c : escaped(text)) {
      EXPECT_TRUE(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) << i;
    }
  }
}

TEST(JsonLineTest, EveryPositionInAWordIsSeen) {
  for (std::size_t length = 0; length < 20; ++length) {
    for (std::size_t at = 0; at < length; ++at) {
      for (const char c :
           {'"', '\\', '\x01', '\x1f', '\x7f', '\xff', ' ', '~', '!', '#', '[', ']'}) {
        std::string text(length, 'x');
        text[at] = c;
        const std::string expected =
            c == '\xff' ? text.substr(0, at) + kReplaced + text.substr(at + 1) : text;
        EXPECT_EQ(parsed(text), expected);
      }
    }
  }
}

TEST(JsonLineTest, ControlsAreEscapedTheShortWayWhereThereIsOne) {
  EXPECT_EQ(escaped("\"\\\n\r\t"), R"(\"\\\n\r\t)");
  EXPECT_EQ(escaped(std::string_view("\0\x1b\x7f", 3)), R"(\u0000\u001b\u007f)");
  EXPECT_EQ(escaped("/<>&'"), "/<>&'");
}

TEST(JsonLineTest, GoodUtf8StandsForItself) {
  for (const std::string_view text :
       {"\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80", "\xEF\xBF\xBF",
        "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    EXPECT_EQ(escaped(text), text);
  }
}

// Overlong forms, surrogates, values above U+10FFFF, stray and missing tails.
TEST(JsonLineTest, BadUtf8IsReplacedByteForByte) {
  const std::vector<std::pair<std::string_view, std::size_t>> cases{
      {"\xC0\xAF", 2},         {"\xC1\xBF", 2},
      {"\xE0\x9F\xBF", 3},     {"\xE0\x80\x80", 3},
      {"\xED\xA0\x80", 3},     {"\xED\xBF\xBF", 3},
      {"\xF0\x8F\xBF\xBF", 4}, {"\xF4\x90\x80\x80", 4},
      {"\xF5\x80\x80\x80", 4}, {"\x80", 1},
      {"\xBF\x80", 2},         {"\xC3", 1},
      {"\xE2\x82", 2},         {"\xF0\x9F\x98", 3},
      {"\xFE\xFF", 2},
  };
  for (const auto& [text, replaced] : cases) {
    std::string expected;
    for (std::size_t i = 0; i < replaced; ++i) expected += kReplaced;
    EXPECT_EQ(escaped(text), expected);
    EXPECT_EQ(escaped(std::string(text) + "a"), expected + "a");
  }
}

TEST(JsonLineTest, CutsFallBetweenCharacters) {
  std::string out;
  EXPECT_FALSE(append_json_text(out, "abc", 3));
  EXPECT_TRUE(append_json_text(out, "abc", 2));
  EXPECT_EQ(out, "abcab");
  const std::string euro = "a\xE2\x82\xAC";
  EXPECT_EQ(escaped(euro, 1), "a");
  EXPECT_EQ(escaped(euro, 2), "a");
  EXPECT_EQ(escaped(euro, 3), "a");
  EXPECT_EQ(escaped(euro, 4), euro);
  EXPECT_EQ(escaped("abc", 0), "");
  EXPECT_EQ(escaped("a\nb", 2), "a\\n") << "the limit counts bytes of the source";
}

TEST(JsonLineTest, AllThreeWaysOutAgree) {
  std::mt19937 random(1);
  for (int round = 0; round < 2000; ++round) {
    std::string text(random() % 60, '\0');
    for (char& c : text)
      c = static_cast<char>(random() % 4 == 0 ? random() % 256 : 'a' + random() % 26);
    const std::size_t limit = random() % 70;
    const std::string expected = escaped(text, limit);
    EXPECT_EQ(json_text_size(text, limit), expected.size());
    EXPECT_LE(expected.size(), 6 * std::min(limit, text.size()));
    std::string buffer(expected.size() + 1, '~');
    EXPECT_EQ(write_json_text(buffer.data(), text, limit), buffer.data() + expected.size());
    EXPECT_EQ(buffer, expected + "~");
    EXPECT_NO_THROW(parsed(text, limit));
  }
}

TEST(JsonLineTest, TimestampsAreRfc3339InUtc) {
  const auto stamp = [](std::int64_t micros) {
    std::string out;
    append_timestamp(out, WallTime(std::chrono::microseconds(micros)));
    return out;
  };
  EXPECT_EQ(stamp(0), "1970-01-01T00:00:00.000000Z");
  EXPECT_EQ(stamp(1'767'323'045'000'006), "2026-01-02T03:04:05.000006Z");
  EXPECT_EQ(stamp(1'767'323'045'999'999), "2026-01-02T03:04:05.999999Z");
  EXPECT_EQ(stamp(1'767'323'044'123'456), "2026-01-02T03:04:04.123456Z");
  EXPECT_EQ(stamp(951'782'400'000'000), "2000-02-29T00:00:00.000000Z");
  EXPECT_EQ(stamp(0).size(), kTimestampSize);
}

TEST(JsonLineTest, ALineIsOneObject) {
  std::string out = "before\n";
  JsonLine(out)
      .text("text", "a\"b")
      .number("most", ~0ULL)
      .signed_number("least", std::numeric_limits<std::int64_t>::min())
      .boolean("yes", true)
      .raw("list", "[1]")
      .timestamp("at", WallTime{})
      .end();
  EXPECT_EQ(out,
            "before\n"
            R"({"text":"a\"b","most":18446744073709551615,"least":-9223372036854775808,)"
            R"("yes":true,"list":[1],"at":"1970-01-01T00:00:00.000000Z"})"
            "\n");
  std::string empty;
  JsonLine(empty).end();
  EXPECT_EQ(empty, "{}\n");
}

}  // namespace
}  // namespace holdfast
