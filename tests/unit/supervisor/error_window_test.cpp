#include "supervisor/core/error_window.hpp"

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
  EXPECT_TRUE(is_worse({100, 61}, {1'000, 600}));
  EXPECT_FALSE(is_worse({100, 60}, {1'000, 600}));
  EXPECT_TRUE(is_worse({100, 60}, {0, 0}));
  EXPECT_FALSE(is_worse({100, 0}, {0, 0}));
  EXPECT_TRUE(is_worse({1ULL << 62, 1ULL << 61}, {1ULL << 62, 1ULL << 60}));
}

}  // namespace
}  // namespace holdfast::supervisor
