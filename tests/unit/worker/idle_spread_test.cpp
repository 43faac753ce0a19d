#include "worker/core/idle_spread.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace holdfast::worker {
namespace {

using namespace std::chrono_literals;

std::vector<Millis> places(IdleSpread spread, int count) {
  std::vector<Millis> all;
  for (int i = 0; i < count; ++i) all.push_back(spread.next());
  return all;
}

TEST(IdleSpreadTest, ManyShareTheWholeWindowInEvenPlaces) {
  EXPECT_EQ(places(IdleSpread(4ms, 8), 8),
            (std::vector<Millis>{0ms, 0ms, 1ms, 1ms, 2ms, 2ms, 3ms, 3ms}));
}

TEST(IdleSpreadTest, AFewTakeAMillisecondEach) {
  EXPECT_EQ(places(IdleSpread(2s, 3), 3), (std::vector<Millis>{0ms, 1ms, 2ms}));
}

TEST(IdleSpreadTest, WhoeverWasNotCountedBeginsAnew) {
  EXPECT_EQ(places(IdleSpread(2s, 2), 5), (std::vector<Millis>{0ms, 1ms, 0ms, 1ms, 0ms}));
}

TEST(IdleSpreadTest, WithoutAWindowOrAConnectionNobodyWaits) {
  EXPECT_EQ(places(IdleSpread(0ms, 1'000), 3), (std::vector<Millis>{0ms, 0ms, 0ms}));
  EXPECT_EQ(places(IdleSpread(2s, 0), 3), (std::vector<Millis>{0ms, 0ms, 0ms}));
  EXPECT_EQ(places(IdleSpread(), 3), (std::vector<Millis>{0ms, 0ms, 0ms}));
}

TEST(IdleSpreadTest, EveryPlaceIsInsideTheWindow) {
  for (const int idle : {1, 7, 1'999, 2'000, 10'000, 1'000'000}) {
    IdleSpread spread(2s, static_cast<std::size_t>(idle));
    EXPECT_EQ(spread.window(), std::min(Millis(2s), Millis(idle)));
    Millis before{0};
    for (int i = 0; i < idle; ++i) {
      const Millis place = spread.next();
      ASSERT_LE(before, place);
      ASSERT_LT(place, spread.window());
      before = place;
    }
    EXPECT_GE(before, spread.window() - spread.window() / idle - 1ms)
        << "the last place is the end";
  }
}

}  // namespace
}  // namespace holdfast::worker
