#include "supervisor/core/respawn_policy.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace holdfast::supervisor {
namespace {

using namespace std::chrono_literals;

TEST(RespawnTest, FirstReplacementComesAtOnceThenTheDelayDoublesToThirtySeconds) {
  RespawnHistory history;
  std::vector<Millis> delays;
  for (int i = 0; i < 12; ++i) delays.push_back(history.died(std::nullopt));
  const std::vector<Millis> expected{0ms,    100ms,  200ms,   400ms,   800ms,   1600ms,
                                     3200ms, 6400ms, 12800ms, 25600ms, 30000ms, 30000ms};
  EXPECT_EQ(delays, expected);
}

TEST(RespawnTest, NeverOverflows) {
  RespawnHistory history;
  for (int i = 0; i < 100'000; ++i) EXPECT_LE(history.died(std::nullopt), kLongestRespawnDelay);
}

TEST(RespawnTest, AWorkerThatWasReadyForTenSecondsResetsTheDelay) {
  RespawnHistory history;
  for (int i = 0; i < 5; ++i) history.died(1s);
  EXPECT_EQ(history.died(10s), 0ms);
  EXPECT_EQ(history.died(9s), 100ms);
}

TEST(RespawnTest, OnlyDeathsBeforeReadyAreHopeless) {
  RespawnHistory history;
  for (int i = 0; i < 20; ++i) history.died(1s);
  EXPECT_FALSE(history.hopeless(10));
  for (int i = 0; i < 10; ++i) history.died(std::nullopt);
  EXPECT_TRUE(history.hopeless(10));
  history.became_ready();
  EXPECT_FALSE(history.hopeless(10));
}

}  // namespace
}  // namespace holdfast::supervisor
