#include "supervisor/io/worker_output.hpp"

#include <limits.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/unit/supervisor/io_fixture.hpp"

namespace holdfast::supervisor {
namespace {

using Json = nlohmann::json;

class WorkerOutputTest : public ::testing::Test {
 protected:
  WorkerOutputTest() {
    auto pipe = ::holdfast::output_pipe().value();
    writer = std::move(pipe.second);
    output.emplace(io, std::move(pipe.first),
                   WorkerOutput::Callbacks{[this](std::string_view line, bool cut) {
                                             lines.emplace_back(line);
                                             truncated += cut ? 1 : 0;
                                           },
                                           [] {}});
  }
  void say(std::string_view text) { write_fully(writer.get(), text); }

  boost::asio::io_context io;
  UniqueFd writer;
  std::optional<WorkerOutput> output;
  std::vector<std::string> lines;
  int truncated = 0;
};

TEST_F(WorkerOutputTest, SplitsLinesHoweverTheyArrive) {
  say("one\ntw");
  ASSERT_TRUE(run_until(io, [&] { return lines.size() == 1; }));
  say("o\r\n\nthree");
  ASSERT_TRUE(run_until(io, [&] { return lines.size() == 3; }));
  output->finish();
  EXPECT_EQ(lines, (std::vector<std::string>{"one", "two", "", "three"}));
}

TEST_F(WorkerOutputTest, ALongLineIsCutAndItsRestIsNotTakenForALine) {
  say(std::string(10'000, 'x') + "\nnext\n");
  ASSERT_TRUE(run_until(io, [&] { return lines.size() == 2; }));
  EXPECT_EQ(lines[0].size(), kMaxOutputLine);
  EXPECT_EQ(lines[1], "next");
  EXPECT_EQ(truncated, 1);
}

TEST_F(WorkerOutputTest, TheLastSixtyFourLinesAreKept) {
  for (int i = 0; i < 100; ++i) say("line " + std::to_string(i) + "\n");
  output->drain_now();
  const std::vector<std::string> tail = output->tail();
  ASSERT_EQ(tail.size(), kTailLines);
  EXPECT_EQ(tail.front(), "line 36");
  EXPECT_EQ(tail.back(), "line 99");
}

TEST_F(WorkerOutputTest, AnUnfinishedLineIsPartOfTheVerdict) {
  say("cannot open the data");
  output->drain_now();
  EXPECT_EQ(output->tail(), std::vector<std::string>{"cannot open the data"});
}

TEST_F(WorkerOutputTest, NothingIsCalledAfterItsEnd) {
  say("late\n");
  output.reset();
  io.poll();
  EXPECT_TRUE(lines.empty());
}

TEST(WorkerOutputLineTest, IsJsonBelowPipeBufWhateverTheBytes) {
  std::string evil;
  for (int i = 0; evil.size() < kMaxOutputLine; ++i) evil += static_cast<char>(i);
  for (const std::string& text :
       {evil, std::string(kMaxOutputLine, '\1'), std::string(kMaxOutputLine, '\xff'),
        std::string(kMaxOutputLine, '"'), std::string()}) {
    const std::string line =
        worker_output_line({18'446'744'073'709'551'615U}, {18'446'744'073'709'551'615U},
                           2'147'483'647, text, false, WallTime{});
    EXPECT_LE(line.size(), std::size_t{PIPE_BUF});
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    const Json parsed = Json::parse(line);
    EXPECT_EQ(parsed["type"], "worker_output");
    EXPECT_EQ(parsed.contains("truncated"), parsed["line"].get<std::string>().size() < text.size())
        << line.substr(0, 200);
  }
}

TEST(WorkerOutputLineTest, ACutNeverSplitsACharacter) {
  std::string text;
  while (text.size() < kMaxOutputLine) text += "\xE2\x82\xAC";  // a euro sign
  const Json parsed = Json::parse(
      worker_output_line({1}, {1}, 1, text.substr(0, kMaxOutputLine), true, WallTime{}));
  EXPECT_EQ(parsed["truncated"], true);
}

}  // namespace
}  // namespace holdfast::supervisor
