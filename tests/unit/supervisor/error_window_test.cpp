#include "supervisor/core/error_window.hpp"

#include <random>

#include <gtest/gtest.h>

namespace holdfast::supervisor {
namespace {

using namespace std::chrono_literals;

TEST(ErrorWindowTest, WhatIsOlderThanAMinuteIsForgotten) {
  ErrorWindow window;
  const TimePoint start{100s};
  window.add(start, {10, 5});
  window.add(start + 30s, {20, 1});
  EXPECT_EQ(window.last_minute(start + 59s), (ResponseCount{30, 6}));
  EXPECT_EQ(window.last_minute(start + 60s), (ResponseCount{20, 1}));
  EXPECT_EQ(window.last_minute(start + 90s), (ResponseCount{}));
}

TEST(ErrorWindowTest, CountsOfOneSecondAreOne) {
  ErrorWindow window;
  const TimePoint start{100s};
  for (int i = 0; i < 1'000; ++i) window.add(start + Millis{i}, {1, 1});
  EXPECT_EQ(window.last_minute(start + 59s), (ResponseCount{1'000, 1'000}));
  EXPECT_EQ(window.last_minute(start + 60s), (ResponseCount{}));
}

TEST(ErrorWindowTest, TheLargerShareIsTheWorse) {
  EXPECT_TRUE(is_worse({100, 85}, {1'000, 600}));
  EXPECT_FALSE(is_worse({100, 60}, {1'000, 600}));
  EXPECT_TRUE(is_worse({100, 60}, {0, 0}));
  EXPECT_FALSE(is_worse({100, 0}, {0, 0}));
  EXPECT_TRUE(is_worse({1ULL << 62, 1ULL << 61}, {1ULL << 62, 1ULL << 60}));
}

TEST(ErrorWindowTest, WhatChanceExplainsIsNotWorse) {
  EXPECT_FALSE(is_worse({100, 65}, {1'000, 600}));
  EXPECT_FALSE(is_worse({263, 172}, {1'609, 946})) << "seen in a deploy of the same version";
  EXPECT_FALSE(is_worse({30, 21}, {100'000, 60'000}));
  EXPECT_TRUE(is_worse({10'000, 6'500}, {100'000, 60'000}));
  EXPECT_TRUE(is_worse({20, 11}, {5'000, 0})) << "a healthy service leaves nothing to chance";
}

TEST(ErrorWindowTest, TenThousandDeploysOfTheSameServiceAreNotWorse) {
  std::mt19937 random(20'261'122);
  const auto of = [&random](std::uint64_t requests) {
    return ResponseCount{requests,
                         std::binomial_distribution<std::uint64_t>(requests, 0.6)(random)};
  };
  int worse = 0;
  for (int i = 0; i < 10'000; ++i) worse += is_worse(of(250), of(1'500));
  EXPECT_LE(worse, 3);
}

}  // namespace
}  // namespace holdfast::supervisor
