#include "worker/core/keep_alive_hint.hpp"

#include <stdexcept>

#include <gtest/gtest.h>

namespace holdfast::worker {
namespace {

using namespace std::chrono_literals;

std::string lines(int seconds) {
  return "Connection: keep-alive\r\nKeep-Alive: timeout=" + std::to_string(seconds) + "\r\n";
}

TEST(KeepAliveHintTest, IsFiveSecondsBelowTheTimeout) {
  EXPECT_EQ(render_keep_alive({}, 75s), lines(70));
  EXPECT_EQ(render_keep_alive({}, 6s), lines(1));
}

TEST(KeepAliveHintTest, IsNotGivenWhereNoWholeSecondIsLeft) {
  for (const Millis timeout : {Millis{0}, Millis{500}, Millis{5s}, Millis{6s} - 1ms})
    EXPECT_EQ(render_keep_alive({}, timeout), "") << timeout.count();
  EXPECT_EQ(render_keep_alive(999ms, 75s), "");
}

TEST(KeepAliveHintTest, IsTheEmbeddersInWholeSeconds) {
  EXPECT_EQ(render_keep_alive(Millis{1s}, 75s), lines(1));
  EXPECT_EQ(render_keep_alive(Millis{2'999}, 3s), lines(2));
}

TEST(KeepAliveHintTest, CanBeSwitchedOff) {
  EXPECT_EQ(render_keep_alive(0ms, 75s), "");
  EXPECT_EQ(render_keep_alive(0ms, 0ms), "");
}

TEST(KeepAliveHintTest, CannotPromiseMoreThanTheServerKeeps) {
  EXPECT_THROW(render_keep_alive(75s, 75s), std::invalid_argument);
  EXPECT_THROW(render_keep_alive(1s, 0ms), std::invalid_argument);
}

}  // namespace
}  // namespace holdfast::worker
