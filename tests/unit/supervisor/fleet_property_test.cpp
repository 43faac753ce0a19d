// The laws of the fleet over random lives: mostly good workers, with anything else at any time.
#include <random>

#include <gtest/gtest.h>

#include "tests/support/random_lives.hpp"
#include "tests/unit/supervisor/fleet_world.hpp"

namespace holdfast::supervisor {
namespace {

class RandomLife {
 public:
  explicit RandomLife(std::uint64_t seed) : random_(seed), world_(policy()) {}

  FleetWorld& world() { return world_; }

  void live(int events) {
    world_.feed(Started{});
    for (int i = 0; i < events && !world_.fleet.finished; ++i) {
      if (chance(70)) {
        cooperate();
      } else {
        world_.feed(anything());
      }
    }
  }

 private:
  FleetPolicy policy() {
    FleetPolicy policy = plain_policy();
    policy.workers = 1 + pick(3);
    policy.ready_timeout = Millis{1'000};
    policy.pause_timeout = Millis{200};
    policy.stop_timeout = Millis{2'000};
    policy.stop_timeout_max = Millis{pick(2) * 6'000};
    policy.kill_timeout = Millis{500};
    policy.lame_duck = Millis{pick(2) * 1'000};
    policy.give_up = static_cast<unsigned>(1 + pick(4));
    policy.max_old_generations = 1 + pick(3);
    policy.probation = Millis{pick(2) * 1'000};
    policy.canary = pick(3);
    policy.canary_time = Millis{300};
    policy.rollback = pick(4) != 0;
    policy.heartbeat_timeout = Millis{pick(2) * 1'500};
    policy.max_requests = pick(3) == 0 ? 400 : 0;
    policy.max_age = Millis{pick(3) == 0 ? 20'000 : 0};
    policy.max_rss = pick(3) == 0 ? 1'000 : 0;
    policy.idle = pick(2) == 0 ? IdlePolicy::Close : IdlePolicy::Handoff;
    return policy;
  }

  bool chance(int percent) { return static_cast<int>(pick(100)) < percent; }
  std::size_t pick(std::size_t below) {
    return std::uniform_int_distribution<std::size_t>(0, below - 1)(random_);
  }

  WorkerId some_worker() {
    if (world_.fleet.workers.empty() || chance(2)) return WorkerId{pick(50)};
    return world_.fleet.workers[pick(world_.fleet.workers.size())].id;
  }

  void cooperate() {
    if (!world_.answers.empty() && chance(50)) {
      const FleetEvent answer = world_.answers.front();
      world_.answers.erase(world_.answers.begin());
      return world_.feed(answer);
    }
    if (world_.work(some_worker())) return;
    if (chance(20)) world_.feed(ReloadRequested{});
  }

  FleetEvent anything() {
    const WorkerId id = some_worker();
    switch (pick(26)) {
      case 0:
      case 1:
        return ReloadRequested{};
      case 2:
        return chance(15) ? FleetEvent{StopRequested{}} : FleetEvent{ReloadRequested{}};
      case 3:
        return ScaleRequested{chance(50) ? 1 : -1};
      case 4:
        return GenerationPrepared{
            GenerationId{pick(6)}, new_policy(),
            chance(30) ? std::vector<std::string>{"admin"} : std::vector<std::string>{}};
      case 5:
        return chance(20) ? FleetEvent{GenerationRefused{GenerationId{pick(6)}, "no"}}
                          : FleetEvent{TimerFired{}};
      case 6:
        return chance(30) ? not_started() : FleetEvent{TimerFired{}};
      case 7:
        return WorkerGreeted{id, ProtocolRange{1 + static_cast<int>(pick(10) == 0), 9}};
      case 8:
        return WorkerBecameReady{id};
      case 9:
        return WorkerAccepted{id};
      case 10:
        return WorkerPaused{id};
      case 11:
        return chance(40) ? FleetEvent{WorkerBeganDrain{id, DrainReason::Recycle}}
                          : FleetEvent{WorkerAccepted{id}};
      case 12:
        return WorkerClosedListeners{id};
      case 13:
        return WorkerDrained{id, Drained{pick(9), 0, pick(3), pick(2), 0}};
      case 14:
        return WorkerLoadChanged{id, pick(100), pick(10), pick(500), pick(300)};
      case 15:
        return chance(20) ? FleetEvent{WorkerBrokeProtocol{id, "garbage"}}
                          : FleetEvent{WorkerBecameReady{id}};
      case 16:
        return chance(40) ? closed(id) : FleetEvent{WorkerBecameReady{id}};
      case 17:
      case 18:
        return chance(40) ? exited(id) : FleetEvent{WorkerAccepted{id}};
      case 19:
        return QueuesMeasured{pick(3), pick(2), some_generation(), pick(4) == 0, pick(4) == 0};
      case 20:
        return WorkerPonged{id};
      case 21:
        return WorkerGrew{id, pick(1'200)};
      default:
        return time_passes();
    }
  }

  std::optional<FleetPolicy> new_policy() {
    if (!chance(50)) return std::nullopt;
    FleetPolicy changed = world_.fleet.policy;
    changed.workers = 1 + pick(3);
    return changed;
  }

  std::optional<GenerationId> some_generation() {
    if (chance(60)) return std::nullopt;
    return GenerationId{pick(6)};
  }

  FleetEvent exited(WorkerId id) {
    if (auto found = world_.workers.find(id); found != world_.workers.end()) {
      found->second.ended = true;
    }
    if (chance(30)) return WorkerExited{id, ExitStatus{{}, 0}};
    return WorkerExited{id, ExitStatus{SIGSEGV, 0}};
  }

  FleetEvent closed(WorkerId id) { return ChannelClosed{id}; }

  // Only of a worker that was just started and has not spoken.
  FleetEvent not_started() {
    for (const Worker& worker : world_.fleet.workers) {
      if (worker.phase == WorkerPhase::Starting && !worker.welcomed && !worker.exited) {
        return WorkerNotStarted{worker.id, "cannot run x: no"};
      }
    }
    return TimerFired{};
  }

  FleetEvent time_passes() {
    if (world_.fleet.wake_at && chance(70)) {
      world_.now = std::max(world_.now, *world_.fleet.wake_at);
    } else {
      world_.now += Millis{pick(3'000)};
    }
    return TimerFired{};
  }

  std::mt19937_64 random_;
  FleetWorld world_;
};

constexpr std::uint64_t kLives = kRandomLives;

TEST(FleetLaws, HoldInAHundredThousandRandomLives) {
  for (std::uint64_t seed = 1; seed <= kLives; ++seed) {
    RandomLife life(seed);
    life.live(seed % 10 == 0 ? 120 : 30);
    ASSERT_TRUE(life.world().broken_laws.empty())
        << "seed " << seed << ": " << life.world().broken_laws.front();
  }
}

// The worst case: no worker ever answers again, not even SIGKILL.
TEST(FleetLaws, AStopAlwaysEndsByDeadlinesAlone) {
  for (std::uint64_t seed = 1; seed <= kLives / 25; ++seed) {
    RandomLife life(seed);
    life.live(60);
    FleetWorld& world = life.world();
    world.feed(StopRequested{});
    world.answers.clear();
    for (int i = 0; i < 2'000 && !world.fleet.finished; ++i) {
      ASSERT_TRUE(world.fleet.wake_at) << "seed " << seed;
      world.now = std::max(world.now, *world.fleet.wake_at);
      world.fire();
    }
    ASSERT_TRUE(world.fleet.finished) << "seed " << seed;
    ASSERT_TRUE(std::holds_alternative<Exit>(world.log.back())) << "seed " << seed;
    ASSERT_TRUE(world.broken_laws.empty()) << "seed " << seed << ": " << world.broken_laws[0];
  }
}

TEST(FleetLaws, AStopEndsWhenAllWorkersAreGone) {
  for (std::uint64_t seed = 1; seed <= kLives / 25; ++seed) {
    RandomLife life(seed);
    life.live(60);
    FleetWorld& world = life.world();
    world.feed(StopRequested{});
    while (!world.fleet.workers.empty()) {
      const WorkerId id = world.fleet.workers.front().id;
      world.feed(WorkerExited{id, {}});
      world.feed(ChannelClosed{id});
    }
    ASSERT_TRUE(world.fleet.finished) << "seed " << seed;
    ASSERT_TRUE(world.broken_laws.empty()) << "seed " << seed << ": " << world.broken_laws[0];
  }
}

// Good workers always bring the fleet to rest: full size, nothing pending.
TEST(FleetLaws, GoodWorkersAlwaysHealTheFleet) {
  for (std::uint64_t seed = 1; seed <= kLives / 25; ++seed) {
    RandomLife life(seed);
    life.live(60);
    FleetWorld& world = life.world();
    if (world.fleet.stop) continue;
    for (int i = 0; i < 200 && !world.fleet.stop; ++i) {
      world.settle();
      world.advance(Millis{500});
    }
    // Age goes on for ever: the healing must not be looked at in the middle of a replacement.
    for (int i = 0; i < 20 && !world.fleet.stop && world.fleet.workers.size() != world.fleet.wanted;
         ++i) {
      world.settle();
    }
    if (world.fleet.stop) continue;  // it gave up, or its first generation was not ready in time
    ASSERT_TRUE(world.fleet.serving) << "seed " << seed;
    ASSERT_FALSE(world.fleet.candidate) << "seed " << seed;
    ASSERT_FALSE(world.fleet.reload_pending) << "seed " << seed;
    ASSERT_EQ(world.accepting(*world.fleet.serving), world.fleet.wanted) << "seed " << seed;
    ASSERT_EQ(world.fleet.workers.size(), world.fleet.wanted) << "seed " << seed;
    const FleetPolicy& policy = world.fleet.policy;
    const bool looks = policy.heartbeat_timeout > Millis{0} || policy.max_age > Millis{0} ||
                       policy.max_rss > 0 || policy.max_requests > 0;
    ASSERT_TRUE(looks || !world.fleet.wake_at) << "an idle fleet needs no timer, seed " << seed;
  }
}

}  // namespace
}  // namespace holdfast::supervisor
