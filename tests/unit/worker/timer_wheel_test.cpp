#include "worker/core/timer_wheel.hpp"

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast::worker {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::nanoseconds kSlot{1 << TimerWheel::kCoarse};
constexpr TimePoint kStart{100'000 * kSlot + 3ms};

std::vector<Timer*> advance(TimerWheel& wheel, TimePoint now) {
  std::vector<Timer*> fired;
  wheel.advance(now, [&fired](Timer& timer) {
    EXPECT_FALSE(timer.scheduled());
    fired.push_back(&timer);
  });
  return fired;
}

TEST(TimerWheelTest, FiresOnceNeverEarlyAndAtMostASlotLate) {
  for (const Millis delay : {0ms, 1ms, 7ms, 8ms, 9ms, 100ms, 4294ms, 4295ms, 4296ms, 75'000ms}) {
    TimerWheel wheel;
    advance(wheel, kStart);
    Timer timer;
    wheel.schedule(timer, kStart + delay);
    TimePoint now = kStart;
    while (advance(wheel, now).empty()) now += 1ms;
    EXPECT_GE(now, kStart + delay) << delay.count();
    EXPECT_LE(now, kStart + delay + kSlot + 1ms) << delay.count();
    EXPECT_FALSE(timer.scheduled());
    EXPECT_TRUE(advance(wheel, now + 100s).empty());
  }
}

TEST(TimerWheelTest, AnExactWheelFiresAtTheMillisecond) {
  for (const Millis delay : {1ms, 100ms, 4097ms, 75'000ms, 3'600'000ms}) {
    TimerWheel wheel(TimerWheel::kExact);
    const TimePoint start{1h};
    advance(wheel, start);
    Timer timer;
    wheel.schedule(timer, start + delay);
    EXPECT_EQ(wheel.next_wake(), start + delay);
    EXPECT_TRUE(advance(wheel, start + delay - 1ms).empty());
    EXPECT_EQ(advance(wheel, start + delay).size(), 1U);
  }
}

TEST(TimerWheelTest, CancelledTimersNeverFire) {
  TimerWheel wheel;
  Timer timer;
  wheel.schedule(timer, kStart);
  wheel.cancel(timer);
  wheel.cancel(timer);
  EXPECT_FALSE(timer.scheduled());
  EXPECT_TRUE(advance(wheel, kStart + 1h).empty());
}

TEST(TimerWheelTest, ATimersEndCancelsIt) {
  TimerWheel wheel;
  auto timer = std::make_unique<Timer>();
  wheel.schedule(*timer, kStart);
  timer.reset();
  EXPECT_TRUE(advance(wheel, kStart + 1h).empty());
}

TEST(TimerWheelTest, LaterDeadlineWins) {
  TimerWheel wheel;
  Timer timer;
  wheel.schedule(timer, kStart + 100ms);
  wheel.schedule(timer, kStart + 200ms);
  EXPECT_TRUE(advance(wheel, kStart + 150ms).empty());
  EXPECT_TRUE(timer.scheduled());
  EXPECT_EQ(timer.deadline(), kStart + 200ms);
  EXPECT_EQ(advance(wheel, kStart + 200ms + kSlot).size(), 1U);
}

TEST(TimerWheelTest, EarlierDeadlineWins) {
  TimerWheel wheel;
  Timer timer;
  wheel.schedule(timer, kStart + 75s);
  wheel.schedule(timer, kStart + 10s);
  EXPECT_EQ(advance(wheel, kStart + 10s + kSlot).size(), 1U);
}

TEST(TimerWheelTest, WakeIsNeverTooLate) {
  TimerWheel wheel;
  EXPECT_EQ(wheel.next_wake(), std::nullopt);
  advance(wheel, kStart);
  Timer near;
  Timer far;
  wheel.schedule(far, kStart + 75s);
  ASSERT_TRUE(wheel.next_wake());
  EXPECT_GE(*wheel.next_wake(), kStart + 75s);
  EXPECT_LT(*wheel.next_wake(), kStart + 75s + kSlot);
  wheel.schedule(near, kStart + 1s);
  EXPECT_LT(*wheel.next_wake(), kStart + 1s + kSlot);
  EXPECT_EQ(advance(wheel, *wheel.next_wake()).size(), 1U);
  EXPECT_GE(*wheel.next_wake(), kStart + 75s);
  wheel.cancel(far);
  advance(wheel, *wheel.next_wake());
  EXPECT_EQ(wheel.next_wake(), std::nullopt);
}

TEST(TimerWheelTest, AFarDeadlineCausesNoWakeEachRound) {
  TimerWheel wheel;
  advance(wheel, kStart);
  Timer timer;
  wheel.schedule(timer, kStart + 1h);
  int wakes = 0;
  while (timer.scheduled()) {
    advance(wheel, *wheel.next_wake());
    ++wakes;
  }
  EXPECT_EQ(wakes, 1);
}

TEST(TimerWheelTest, TheEndOfTimeNeverComes) {
  TimerWheel wheel;
  Timer timer;
  wheel.schedule(timer, TimePoint::max());
  EXPECT_EQ(wheel.next_wake(), TimePoint::max());
  EXPECT_TRUE(advance(wheel, kStart + 1000h).empty());
  wheel.schedule(timer, kStart + 1001h);
  EXPECT_EQ(advance(wheel, kStart + 1002h).size(), 1U);
}

TEST(TimerWheelTest, TimeThatGoesBackDoesNothing) {
  TimerWheel wheel;
  advance(wheel, kStart + 10s);
  Timer timer;
  wheel.schedule(timer, kStart);
  EXPECT_TRUE(advance(wheel, kStart + 5s).empty());
  EXPECT_EQ(advance(wheel, kStart + 10s + kSlot).size(), 1U);
}

TEST(TimerWheelTest, ACallbackMayRescheduleItsOwnTimer) {
  TimerWheel wheel;
  Timer timer;
  wheel.schedule(timer, kStart);
  int fired = 0;
  for (int i = 0; i < 10; ++i) {
    wheel.advance(kStart + i * kSlot, [&](Timer& due) {
      ++fired;
      wheel.schedule(due, kStart);  // in the past: not again in this advance()
    });
  }
  EXPECT_EQ(fired, 9);  // kStart is inside a slot, so the first advance() is too early
}

TEST(TimerWheelTest, ACallbackMayCancelDelayAndDestroyTheOthersThatAreDue) {
  TimerWheel wheel;
  std::vector<std::unique_ptr<Timer>> timers;
  for (int i = 0; i < 8; ++i) {
    timers.push_back(std::make_unique<Timer>());
    wheel.schedule(*timers.back(), kStart);
  }
  int fired = 0;
  wheel.advance(kStart + kSlot, [&](Timer& due) {
    ++fired;
    std::size_t others = 0;
    for (auto& timer : timers) {
      if (timer.get() == &due || !timer) continue;
      switch (others++ % 3) {
        case 0:
          wheel.cancel(*timer);
          break;
        case 1:
          wheel.schedule(*timer, kStart + 1s);
          break;
        default:
          timer.reset();
      }
    }
    for (auto& timer : timers) {
      if (timer.get() == &due) timer.reset();
    }
  });
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(advance(wheel, kStart + 2s).size(), 2U);
}

TEST(TimerWheelTest, TimersMayOutliveTheWheel) {
  Timer one;
  Timer two;
  {
    TimerWheel wheel;
    wheel.schedule(one, kStart);
    wheel.schedule(two, kStart);
  }
  EXPECT_FALSE(one.scheduled());
  EXPECT_FALSE(two.scheduled());
}

// Against the obvious implementation: a map from the tick at which each timer must fire.
TEST(TimerWheelTest, BehavesAsASortedMapDoes) {
  constexpr std::int64_t kWidth = kSlot.count();
  const auto nanos = [](TimePoint time) { return time.time_since_epoch().count(); };
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 random(seed);
    TimerWheel wheel;
    std::vector<Timer> timers(40);
    std::map<Timer*, std::int64_t> model;
    TimePoint now = kStart;
    advance(wheel, now);
    const auto random_deadline = [&] {
      constexpr std::int64_t kSpans[] = {1, 10, 100, 5'000, 80'000};
      const auto span = kSpans[random() % 5] * 1'000'000;
      return now +
             std::chrono::nanoseconds(static_cast<std::int64_t>(random() % (2 * span)) - span / 4);
    };
    const auto schedule = [&](Timer& timer) {
      const TimePoint deadline = random_deadline();
      wheel.schedule(timer, deadline);
      model[&timer] = std::max((nanos(deadline) + kWidth - 1) / kWidth, nanos(now) / kWidth + 1);
    };
    for (int step = 0; step < 3000; ++step) {
      SCOPED_TRACE("seed " + std::to_string(seed) + " step " + std::to_string(step));
      Timer& timer = timers[random() % timers.size()];
      switch (random() % 4) {
        case 0:
        case 1:
          schedule(timer);
          break;
        case 2:
          wheel.cancel(timer);
          model.erase(&timer);
          break;
        default: {
          constexpr std::int64_t kSteps[] = {1, 8, 50, 3'000, 20'000};
          now += std::chrono::nanoseconds(
              random() % static_cast<std::uint64_t>(kSteps[random() % 5] * 1'000'000));
          std::set<Timer*> due;
          for (const auto& [each, tick] : model) {
            if (tick <= nanos(now) / kWidth) due.insert(each);
          }
          std::set<Timer*> fired;
          wheel.advance(now, [&](Timer& each) {
            EXPECT_TRUE(fired.insert(&each).second);
            model.erase(&each);
            if (random() % 4 == 0) schedule(each);
          });
          ASSERT_EQ(fired, due);
        }
      }
      for (Timer& each : timers) ASSERT_EQ(each.scheduled(), model.contains(&each));
      if (model.empty()) continue;
      std::int64_t earliest = model.begin()->second;
      for (const auto& [each, tick] : model) earliest = std::min(earliest, tick);
      ASSERT_TRUE(wheel.next_wake());
      ASSERT_LE(nanos(*wheel.next_wake()), earliest * kWidth);
    }
  }
}

}  // namespace
}  // namespace holdfast::worker
