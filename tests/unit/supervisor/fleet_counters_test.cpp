#include "supervisor/core/fleet_counters.hpp"

#include <gtest/gtest.h>

namespace holdfast::supervisor {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kStart{1'000s};

Stats stats_with(std::uint64_t requests, std::uint64_t errors = 0) {
  Stats stats;
  stats.requests = requests;
  stats.responses_5xx = errors;
  ListenerStats listener;
  listener.name = "http";
  listener.accepted = requests / 2;
  listener.responses[1] = requests - errors;
  listener.responses[4] = errors;
  listener.latency[3] = requests;
  stats.listeners = {listener};
  return stats;
}

TEST(FleetCountersTest, TotalsKeepWhatGoneWorkersAndGenerationsDid) {
  FleetCounters counters;
  counters.add({1}, {1}, stats_with(100, 2), kStart);
  counters.add({2}, {1}, stats_with(50), kStart);
  counters.gone({1});
  counters.add({3}, {2}, stats_with(7), kStart);
  EXPECT_EQ(counters.totals().requests, 157u);
  ASSERT_EQ(counters.generations().size(), 2u);
  EXPECT_EQ(counters.generations()[0].traffic.requests, 150u);

  const Traffic before = counters.totals();
  counters.gone({2});
  counters.retire_all_but({GenerationId{2}});
  EXPECT_EQ(counters.totals(), before);
  ASSERT_EQ(counters.generations().size(), 1u);
  EXPECT_EQ(counters.generations()[0].generation, GenerationId{2});
  ASSERT_EQ(before.listeners.size(), 1u);
  EXPECT_EQ(before.listeners[0].responses[4], 2u);
  EXPECT_EQ(before.listeners[0].latency[3], 157u);
}

TEST(FleetCountersTest, NoSumFallsWhateverAWorkerSays) {
  FleetCounters counters;
  counters.add({1}, {1}, stats_with(100, 9), kStart);
  counters.add({1}, {1}, stats_with(3), kStart + 1s);
  EXPECT_EQ(counters.totals().requests, 100u);
  EXPECT_EQ(counters.totals().listeners[0].responses[4], 9u);
  EXPECT_GE(counters.requests_per_second({1}, kStart + 1s), 0.0);
}

TEST(FleetCountersTest, GenerationInUseKeepsItsCountsWithoutAWorker) {
  FleetCounters counters;
  counters.add({1}, {1}, stats_with(10), kStart);
  counters.gone({1});
  counters.retire_all_but({GenerationId{1}});
  ASSERT_EQ(counters.generations().size(), 1u);
  EXPECT_EQ(counters.generations()[0].traffic.requests, 10u);
}

TEST(FleetCountersTest, RateIsThatOfTheLastSecondAndEndsWithSilence) {
  FleetCounters counters;
  counters.add({1}, {1}, stats_with(100), kStart);
  EXPECT_EQ(counters.requests_per_second({1}, kStart), 0.0);
  counters.add({1}, {1}, stats_with(150), kStart + 100ms);  // too soon to say
  counters.add({1}, {1}, stats_with(600), kStart + 1s);
  EXPECT_DOUBLE_EQ(counters.requests_per_second({1}, kStart + 1s), 500.0);
  EXPECT_EQ(counters.requests_per_second({1}, kStart + 1s + kRateHolds + 1ms), 0.0);
}

TEST(FleetCountersTest, InventedListenersDoNotGrowWithoutBound) {
  FleetCounters counters;
  for (std::uint64_t i = 0; i < 2 * kMaxCountedListeners; ++i) {
    Stats stats = stats_with(1);
    stats.listeners[0].name = "l" + std::to_string(i);
    counters.add({i + 1}, {1}, stats, kStart);
    counters.gone({i + 1});
  }
  EXPECT_EQ(counters.totals().listeners.size(), kMaxCountedListeners);
  EXPECT_EQ(counters.totals().requests, 2 * kMaxCountedListeners);
}

}  // namespace
}  // namespace holdfast::supervisor
