#include "worker/core/body_pace.hpp"

#include <gtest/gtest.h>

namespace holdfast::worker {
namespace {

using std::chrono::seconds;

TEST(BodyPace, EachWindowOfWaitingMustBringItsBytes) {
  BodyPace pace;
  pace.begin(Millis(60'000), 1024);
  TimePoint now{seconds(1000)};
  const TimePoint end = pace.wait(now);
  EXPECT_EQ(end, now + seconds(60));
  for (int i = 0; i < 59; ++i) {
    now += seconds(1);
    pace.arrived(now, 1);
    EXPECT_EQ(pace.wait(now), end) << "a byte moves nothing";
  }
  pace.arrived(now, 1024 - 59);
  EXPECT_EQ(pace.wait(now), now + seconds(60));
}

TEST(BodyPace, OnlyWaitingCounts) {
  BodyPace pace;
  pace.begin(Millis(60'000), 1024);
  TimePoint now{seconds(1000)};
  pace.wait(now);
  pace.arrived(now += seconds(10), 1);
  now += seconds(3600);  // the handler is busy
  EXPECT_EQ(pace.wait(now), now + seconds(50));
  pace.arrived(now += seconds(100), 1);  // later than it should be: never negative
  EXPECT_EQ(pace.wait(now), now);
}

TEST(BodyPace, WithoutAMinimumAnyByteDoes) {
  BodyPace pace;
  pace.begin(Millis(60'000), 0);
  TimePoint now{seconds(1000)};
  pace.wait(now);
  pace.arrived(now += seconds(59), 1);
  EXPECT_EQ(pace.wait(now), now + seconds(60));
}

}  // namespace
}  // namespace holdfast::worker
