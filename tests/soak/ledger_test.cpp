// What the soak excuses, and what it does not.
#include "tests/soak/ledger.hpp"

#include <gtest/gtest.h>

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

constexpr pid_t kDead = 7;
constexpr pid_t kAlive = 8;
constexpr Ports kOfTheDead{80, 1000};
const TimePoint kDeath = TimePoint{} + 1h;

std::string line(const std::string& id, const std::string& completion = "ok") {
  return R"({"request_id":")" + id + R"(","completion":")" + completion + "\"}\n";
}

Lost lost(Ports ports, Millis after_death) {
  return {.id = "a-1", .ports = ports, .what = "", .by_close = true, .at = kDeath + after_death};
}

class LedgerTest : public ::testing::Test {
 protected:
  Sightings seen;
  std::vector<Kill> kills;
  std::string log;

  void served(const std::string& id, pid_t worker, Millis before_death = 0ms) {
    seen.served.push_back({.id = id, .worker = worker, .at = kDeath - before_death});
    ++seen.begun;
  }
  void a_worker_was_killed() {
    kills.push_back({.pid = kDead, .connections = {kOfTheDead}, .stopped = kDeath, .at = kDeath});
  }
  Judgement verdict() { return judge(seen, kills, AccessLog::parse(log)); }
  std::size_t breaches() { return verdict().breaches.size(); }
};

TEST_F(LedgerTest, FindsNothingWhereAllIsWell) {
  served("a-1", kAlive);
  ++seen.sockets_opened;
  log = line("a-1") + line("generated", "hijacked");
  EXPECT_EQ(breaches(), 0U);
}

TEST_F(LedgerTest, MissesALineAndSeesOneTooMany) {
  served("a-1", kAlive);
  served("a-2", kAlive);
  log = line("a-1");
  EXPECT_GE(breaches(), 1U);
  log = line("a-1") + line("a-2") + line("a-2");
  EXPECT_GE(breaches(), 1U);
  log = line("a-1") + line("a-2") + line("stranger");
  EXPECT_EQ(breaches(), 1U);
  log = line("a-1") + line("a-2", "cut");
  EXPECT_EQ(breaches(), 1U);
  log = line("a-1") + line("a-2") + "{\"torn";
  EXPECT_EQ(breaches(), 1U);
}

TEST_F(LedgerTest, ExcusesALossOnlyOnAConnectionOfAKilledWorker) {
  ++seen.begun;
  seen.lost.push_back(lost(kOfTheDead, 1ms));
  EXPECT_GE(breaches(), 1U) << "nobody was killed";
  a_worker_was_killed();
  EXPECT_EQ(breaches(), 0U);
  EXPECT_EQ(verdict().requests_killed, 1U);
  seen.lost[0] = lost({80, 1001}, 1ms);
  EXPECT_EQ(breaches(), 1U) << "a connection of somebody else's";
  seen.lost[0] = lost(kOfTheDead, -1ms);
  EXPECT_EQ(breaches(), 1U) << "lost before the kill";
  seen.lost[0] = lost(kOfTheDead, 1ms);
  seen.lost[0].by_close = false;
  EXPECT_EQ(breaches(), 1U) << "no end of a connection";
}

TEST_F(LedgerTest, ExcusesOnlyTheLastLinesOfAKilledWorker) {
  a_worker_was_killed();
  served("a-1", kDead, 900ms);
  EXPECT_EQ(breaches(), 0U);
  EXPECT_EQ(verdict().lines_killed, 1U);
  EXPECT_EQ(verdict().oldest_line_killed, 900ms);
  served("a-2", kDead, 30s);
  EXPECT_EQ(breaches(), 1U) << "it had half a minute to write it";
  log = line("a-2");
  EXPECT_EQ(breaches(), 0U);
  served("a-3", kAlive);
  EXPECT_EQ(breaches(), 1U) << "its worker lives";
}

TEST_F(LedgerTest, ALineThatFollowsATornOneIsNotLost) {
  a_worker_was_killed();
  served("a-1", kAlive);
  log = "{\"request_id\":\"b" + line("a-1");
  EXPECT_EQ(breaches(), 0U);
  log += "{\"torn again\n";
  EXPECT_EQ(breaches(), 2U) << "one kill tears one line";
}

TEST_F(LedgerTest, WebSocketsMayEndOnlyWithAKill) {
  seen.socket_failures.emplace_back("ended by: reset");
  EXPECT_EQ(breaches(), 1U);
  a_worker_was_killed();
  EXPECT_EQ(breaches(), 0U);
}

}  // namespace
}  // namespace holdfast::testing
