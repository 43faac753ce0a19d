#include "supervisor/io/event_log.hpp"

#include <csignal>
#include <fcntl.h>
#include <sys/socket.h>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/unit/supervisor/io_fixture.hpp"

namespace holdfast::supervisor {
namespace {

const std::string kLine = "{\"event\":\"" + std::string(100, 'x') + "\"}\n";

class EventLogTest : public ::testing::Test {
 protected:
  // The reader's end is nonblocking; the log's end is as a supervisor finds it.
  void open_pipe(bool own) {
    auto pipe = ::holdfast::output_pipe().value();
    reader = std::move(pipe.first);
    if (own) ::fcntl(pipe.second.get(), F_SETFL, O_NONBLOCK);
    log.emplace(io, std::move(pipe.second));
  }
  void read_for_a_while(std::string& into) {
    run_until(io, [&] {
      into += read_all(reader.get());
      return into.size() >= expected;
    });
  }

  boost::asio::io_context io;
  UniqueFd reader;
  std::optional<EventLog> log;
  std::size_t expected = 0;
};

class StalledReaderTest : public EventLogTest, public ::testing::WithParamInterface<bool> {};

TEST_P(StalledReaderTest, NeitherBlocksNorLosesWhatFits) {
  open_pipe(GetParam());
  for (int i = 0; i < 2'000; ++i) {
    log->add(kLine);
    log->flush();
  }
  expected = 2'000 * kLine.size();
  std::string all;
  read_for_a_while(all);
  EXPECT_EQ(all.size(), expected);
  EXPECT_EQ(log->dropped(), 0U);
}

TEST_P(StalledReaderTest, LosesWorkersLinesBeforeEvents) {
  open_pipe(GetParam());
  for (int i = 0; i < 20'000; ++i) {
    log->add(kLine, EventLog::Source::Worker);
    log->flush();
  }
  EXPECT_GT(log->dropped(), 0U);
  log->add("{\"event\":\"verdict\"}\n");
  log->flush();
  std::string all;
  run_until(io, [&] {
    all += read_all(reader.get());
    return all.find("verdict") != std::string::npos;
  });
  EXPECT_NE(all.find("events_dropped"), std::string::npos);
  EXPECT_NE(all.find("verdict"), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Pipe, StalledReaderTest, ::testing::Bool(), [](const auto& kind) {
  return kind.param ? "own_nonblocking" : "shared_blocking";
});

TEST_F(EventLogTest, AVanishedReaderKillsNobody) {
  open_pipe(true);
  ::signal(SIGPIPE, SIG_IGN);
  reader.reset();
  log->add(kLine);
  log->flush();
  EXPECT_EQ(log->dropped(), 1U);
}

TEST_F(EventLogTest, NeverSetsNonblockOnASharedDescription) {
  auto pipe = ::holdfast::output_pipe().value();
  const UniqueFd other = duplicate(pipe.second.get()).value();
  EventLog shared(io, std::move(pipe.second));
  for (int i = 0; i < 2'000; ++i) shared.add(kLine);
  shared.flush();
  EXPECT_EQ(::fcntl(other.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST_F(EventLogTest, ASocketIsServedWithoutBlocking) {
  int ends[2];
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  reader = UniqueFd(ends[0]);
  ::fcntl(reader.get(), F_SETFL, O_NONBLOCK);
  log.emplace(io, UniqueFd(ends[1]));
  for (int i = 0; i < 5'000; ++i) log->add(kLine);
  log->flush();
  expected = 5'000 * kLine.size();
  std::string all;
  read_for_a_while(all);
  EXPECT_EQ(all.size(), expected);
}

TEST_F(EventLogTest, AtExitASlowReaderGetsALittleTime) {
  open_pipe(true);
  for (int i = 0; i < 2'000; ++i) log->add(kLine);
  const TimePoint begun = Clock::now();
  log->flush_for(Millis{100});
  EXPECT_GE(Clock::now() - begun, Millis{90});
  EXPECT_LT(Clock::now() - begun, Millis{5'000});
}

}  // namespace
}  // namespace holdfast::supervisor
