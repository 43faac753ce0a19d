// Every event in every state that the fleet can be led into: nothing crashes, no law breaks, and a
// stop from there ends.
#include <functional>
#include <map>

#include <gtest/gtest.h>

#include "tests/unit/supervisor/fleet_world.hpp"

namespace holdfast::supervisor {
namespace {

// Probation, a canary, heartbeats and an end of every worker's life, so that their states exist.
FleetPolicy watchful() {
  FleetPolicy policy;
  policy.workers = 2;
  policy.canary = 1;
  policy.heartbeat_timeout = Millis{9'000};
  policy.max_requests = 1'000;
  return policy;
}

FleetPolicy two_workers() {
  FleetPolicy policy = plain_policy();
  policy.workers = 2;
  return policy;
}

void answer(FleetWorld& world) {
  for (const FleetEvent& event : std::exchange(world.answers, {})) world.feed(event);
}

// Both workers of the newest generation do their next `times` duties.
void newest_work(FleetWorld& world, int times) {
  const GenerationId newest = world.fleet.workers.back().generation;
  for (int i = 0; i < times; ++i) {
    for (const WorkerId id : world.of(newest)) world.work(id);
  }
}

void reload(FleetWorld& world) {
  world.start();
  world.feed(ReloadRequested{});
}

using Recipe = std::function<void(FleetWorld&)>;

// The candidate's canary is proven and both of its workers accept alone.
void into_probation(FleetWorld& world) {
  world.gone_listeners = {"admin"};
  reload(world);
  world.settle();
  world.advance(world.fleet.policy.canary_time);
  world.settle();
}

const std::map<std::string, Recipe>& watchful_states() {
  static const std::map<std::string, Recipe> recipes{
      {"canary",
       [](FleetWorld& w) {
         reload(w);
         w.settle();
       }},
      {"judging the canary",
       [](FleetWorld& w) {
         reload(w);
         w.settle();
         w.advance(w.fleet.policy.canary_time);
       }},
      {"canary passed",
       [](FleetWorld& w) {
         reload(w);
         w.settle();
         w.advance(w.fleet.policy.canary_time);
         newest_work(w, 2);  // a heartbeat was due as well
       }},
      {"probation", into_probation},
      {"probation, an old one died",
       [](FleetWorld& w) {
         into_probation(w);
         w.die(WorkerId{1});
       }},
      {"probation, one exited in half",
       [](FleetWorld& w) {
         into_probation(w);
         w.feed(WorkerExited{w.fleet.workers.back().id, {SIGSEGV, 0}});
       }},
      {"judging",
       [](FleetWorld& w) {
         into_probation(w);
         w.advance(w.fleet.policy.probation);
       }},
      {"listeners of the old ones close",
       [](FleetWorld& w) {
         into_probation(w);
         w.queues = {3, 1};
         w.advance(w.fleet.policy.probation);
         for (const WorkerId id : w.of(w.fleet.candidate->id)) w.work(id);
       }},
      {"listeners of the old ones are told to close",
       [](FleetWorld& w) {
         into_probation(w);
         w.queues = {3, 1};
         w.advance(w.fleet.policy.probation);
         for (const WorkerId id : w.of(w.fleet.candidate->id)) w.work(id);
         w.advance(w.fleet.policy.syn_wait);
       }},
      {"heartbeat awaited",
       [](FleetWorld& w) {
         w.start();
         w.advance(Millis{3'000});
       }},
      {"aborting",
       [](FleetWorld& w) {
         w.start();
         w.advance(Millis{12'000});
       }},
      {"recycling",
       [](FleetWorld& w) {
         w.start();
         w.feed(WorkerLoadChanged{WorkerId{1}, 1, 1, 2'000, 0});
       }},
      {"recycled",
       [](FleetWorld& w) {
         w.start();
         w.feed(WorkerLoadChanged{WorkerId{1}, 1, 1, 2'000, 0});
         w.work(WorkerId{3});
         w.work(WorkerId{3});
         w.work(WorkerId{3});
       }},
  };
  return recipes;
}

const std::map<std::string, Recipe>& states() {
  static const std::map<std::string, Recipe> recipes{
      {"unstarted", [](FleetWorld&) {}},
      {"first preparing", [](FleetWorld& w) { w.feed(Started{}); }},
      {"first starting",
       [](FleetWorld& w) {
         w.feed(Started{});
         answer(w);
       }},
      {"first welcomed",
       [](FleetWorld& w) {
         w.feed(Started{});
         answer(w);
         newest_work(w, 1);
       }},
      {"first opening",
       [](FleetWorld& w) {
         w.feed(Started{});
         answer(w);
         newest_work(w, 2);
       }},
      {"serving", [](FleetWorld& w) { w.start(); }},
      {"serving with a vacancy",
       [](FleetWorld& w) {
         w.start();
         w.die(WorkerId{1});
         w.die(w.fleet.workers.back().id);
       }},
      {"serving with a respawn",
       [](FleetWorld& w) {
         w.start();
         w.die(WorkerId{1});
       }},
      {"serving, one leaves",
       [](FleetWorld& w) {
         w.start();
         w.feed(WorkerBeganDrain{WorkerId{1}, DrainReason::Recycle});
       }},
      {"serving, one exited in half",
       [](FleetWorld& w) {
         w.start();
         w.feed(WorkerExited{WorkerId{1}, {}});
       }},
      {"serving, one without channel",
       [](FleetWorld& w) {
         w.start();
         w.feed(ChannelClosed{WorkerId{1}});
       }},
      {"serving, one killed",
       [](FleetWorld& w) {
         w.start();
         w.feed(WorkerBrokeProtocol{WorkerId{1}, "garbage"});
       }},
      {"candidate preparing", [](FleetWorld& w) { reload(w); }},
      {"candidate starting",
       [](FleetWorld& w) {
         reload(w);
         answer(w);
       }},
      {"candidate half ready",
       [](FleetWorld& w) {
         reload(w);
         answer(w);
         w.work(WorkerId{3});
         w.work(WorkerId{3});
       }},
      {"candidate opening",
       [](FleetWorld& w) {
         reload(w);
         answer(w);
         newest_work(w, 2);
       }},
      {"pausing",
       [](FleetWorld& w) {
         reload(w);
         answer(w);
         newest_work(w, 3);
       }},
      {"half paused",
       [](FleetWorld& w) {
         reload(w);
         answer(w);
         newest_work(w, 3);
         w.work(WorkerId{1});
       }},
      {"pausing, candidate exited in half",
       [](FleetWorld& w) {
         reload(w);
         answer(w);
         newest_work(w, 3);
         w.feed(WorkerExited{WorkerId{3}, {}});
       }},
      {"rolling back",
       [](FleetWorld& w) {
         reload(w);
         answer(w);
         newest_work(w, 3);
         w.work(WorkerId{1});
         w.die(WorkerId{3});
       }},
      {"draining",
       [](FleetWorld& w) {
         reload(w);
         answer(w);
         newest_work(w, 3);
         w.work(WorkerId{1});
         w.work(WorkerId{2});
       }},
      {"reload pending",
       [](FleetWorld& w) {
         reload(w);
         answer(w);
         w.feed(ReloadRequested{});
       }},
      {"lame duck",
       [](FleetWorld& w) {
         w.start();
         w.fleet.policy.lame_duck = Millis{5'000};
         w.feed(StopRequested{});
       }},
      {"lame duck in a reload",
       [](FleetWorld& w) {
         reload(w);
         answer(w);
         newest_work(w, 3);
         w.work(WorkerId{1});
         w.fleet.policy.lame_duck = Millis{5'000};
         w.feed(StopRequested{});
       }},
      {"lame duck over",
       [](FleetWorld& w) {
         w.start();
         w.fleet.policy.lame_duck = Millis{5'000};
         w.feed(StopRequested{});
         w.now += Millis{5'000};
         w.fire();
       }},
      {"stopping, queues",
       [](FleetWorld& w) {
         w.start();
         w.feed(StopRequested{});
       }},
      {"stopping, listeners",
       [](FleetWorld& w) {
         w.start();
         w.feed(StopRequested{});
         answer(w);
       }},
      {"stopping, leaving",
       [](FleetWorld& w) {
         w.start();
         w.feed(StopRequested{});
         answer(w);
         w.feed(WorkerClosedListeners{WorkerId{1}});
         w.feed(WorkerClosedListeners{WorkerId{2}});
       }},
      {"stopping at once",
       [](FleetWorld& w) {
         w.start();
         w.feed(StopRequested{});
         w.feed(StopRequested{});
       }},
      {"finished", [](FleetWorld& w) {
         w.start();
         w.feed(StopRequested{});
         w.settle();
       }}};
  return recipes;
}

std::map<std::string, FleetEvent> events_about(WorkerId id) {
  return {{"greeted", WorkerGreeted{id, kProtocol}},
          {"greeted wrongly", WorkerGreeted{id, {900, 901}}},
          {"ready", WorkerBecameReady{id}},
          {"accepted", WorkerAccepted{id}},
          {"paused", WorkerPaused{id}},
          {"began drain", WorkerBeganDrain{id, DrainReason::Recycle}},
          {"closed listeners", WorkerClosedListeners{id}},
          {"drained", WorkerDrained{id, {}}},
          {"load", WorkerLoadChanged{id, 2, 1}},
          {"errors", WorkerLoadChanged{id, 2, 1, 2'000, 2'000}},
          {"ponged", WorkerPonged{id}},
          {"grew", WorkerGrew{id, 1'000'000}},
          {"garbage", WorkerBrokeProtocol{id, "garbage"}},
          {"channel closed", ChannelClosed{id}},
          {"exited", WorkerExited{id, {}}},
          {"crashed", WorkerExited{id, {SIGSEGV, 0}}}};
}

std::map<std::string, FleetEvent> events_at_large(const Fleet& fleet) {
  const GenerationId last{fleet.next_generation.value - 1};
  return {{"started", Started{}},
          {"reload", ReloadRequested{}},
          {"stop", StopRequested{}},
          {"scale up", ScaleRequested{+1}},
          {"scale down", ScaleRequested{-1}},
          {"prepared", GenerationPrepared{last}},
          {"refused", GenerationRefused{last, "no"}},
          {"prepared of another", GenerationPrepared{{99}}},
          {"queues empty", QueuesMeasured{0, 0}},
          {"queues full", QueuesMeasured{4, 1}},
          {"gone queues empty", QueuesMeasured{0, 0, GenerationId{1}}},
          {"gone queues full", QueuesMeasured{4, 1, GenerationId{1}}},
          {"gone listeners claimed", QueuesMeasured{0, 0, GenerationId{1}, true}},
          {"gone listeners back", QueuesMeasured{0, 0, GenerationId{1}, false, true}},
          {"scale to", ScaleRequested{0, 5}},
          {"waited reload", ReloadRequested{7}},
          {"timer", TimerFired{}}};
}

// Whatever happened, a stop ends by its deadlines alone.
void expect_stop_ends(FleetWorld& world, const std::string& where) {
  if (!world.fleet.stop) world.feed(StopRequested{});
  for (int i = 0; i < 1'000 && !world.fleet.finished; ++i) {
    ASSERT_TRUE(world.fleet.wake_at) << where;
    world.now = std::max(world.now, *world.fleet.wake_at);
    world.fire();
  }
  EXPECT_TRUE(world.fleet.finished) << where;
  for (const std::string& broken : world.broken_laws) ADD_FAILURE() << where << ": " << broken;
}

void try_event(const FleetPolicy& policy, const Recipe& recipe, const FleetEvent& event,
               const std::string& where) {
  for (const bool late : {false, true}) {
    FleetWorld world(policy);
    recipe(world);
    if (late && world.fleet.wake_at) world.now = *world.fleet.wake_at;
    world.feed(event);
    expect_stop_ends(world, where + (late ? " (late)" : ""));
  }
}

void try_every_event(const FleetPolicy& policy, const std::map<std::string, Recipe>& recipes) {
  for (const auto& [state, recipe] : recipes) {
    FleetWorld world(policy);
    recipe(world);
    for (const auto& [name, event] : events_at_large(world.fleet)) {
      try_event(policy, recipe, event, state + " x " + name);
    }
    std::vector<WorkerId> ids{{0}, {99}};
    for (const Worker& worker : world.fleet.workers) ids.push_back(worker.id);
    for (const WorkerId id : ids) {
      for (const auto& [name, event] : events_about(id)) {
        try_event(policy, recipe, event,
                  state + " x worker " + std::to_string(id.value) + " " + name);
      }
      const Worker* worker = nullptr;
      for (const Worker& entry : world.fleet.workers) {
        if (entry.id == id) worker = &entry;
      }
      // Only of a process that never was.
      if (worker != nullptr && worker->phase == WorkerPhase::Starting && !worker->welcomed) {
        try_event(policy, recipe, WorkerNotStarted{id, "cannot fork"}, state + " x not started");
      }
    }
  }
}

TEST(FleetTable, EveryEventHasACellInEveryState) { try_every_event(two_workers(), states()); }

TEST(FleetTable, EveryEventHasACellInEveryWatchfulState) {
  try_every_event(watchful(), watchful_states());
  FleetPolicy one_way = watchful();
  one_way.rollback = false;
  try_every_event(one_way, watchful_states());
}

TEST(FleetTable, TheWatchfulRecipesLeadWhereTheySay) {
  const auto reached = [](const std::string& state) {
    FleetWorld world(watchful());
    watchful_states().at(state)(world);
    for (const std::string& broken : world.broken_laws) ADD_FAILURE() << state << ": " << broken;
    return world.fleet;
  };
  EXPECT_EQ(reached("canary").candidate->phase, ReloadPhase::Canary);
  EXPECT_EQ(reached("judging the canary").candidate->phase, ReloadPhase::Judging);
  EXPECT_EQ(reached("canary passed").candidate->phase, ReloadPhase::Starting);
  EXPECT_EQ(reached("canary passed").candidate->workers, 2U);
  EXPECT_EQ(reached("probation").candidate->phase, ReloadPhase::Probation);
  EXPECT_EQ(reached("probation, an old one died").candidate->phase, ReloadPhase::Probation);
  EXPECT_EQ(reached("judging").candidate->phase, ReloadPhase::Judging);
  EXPECT_FALSE(reached("listeners of the old ones close").closing.at(0).told);
  EXPECT_TRUE(reached("listeners of the old ones are told to close").closing.at(0).told);
  EXPECT_TRUE(reached("heartbeat awaited").workers[0].pong_by);
  EXPECT_EQ(reached("aborting").workers[0].phase, WorkerPhase::Aborting);
  EXPECT_TRUE(reached("recycling").recycling);
  EXPECT_EQ(reached("recycled").workers[0].phase, WorkerPhase::Draining);
}

TEST(FleetTable, EveryStateHasTheDeadlineThatItNeeds) {
  for (const auto& [state, recipe] : states()) {
    FleetWorld world(two_workers());
    recipe(world);
    EXPECT_TRUE(world.broken_laws.empty()) << state << ": " << world.broken_laws.front();
    const bool rests = state == "unstarted" || state == "serving" || state == "finished";
    EXPECT_EQ(world.fleet.wake_at.has_value(), !rests) << state;
  }
}

TEST(FleetTable, TheRecipesLeadWhereTheySay) {
  const auto reached = [](const std::string& state) {
    FleetWorld world(two_workers());
    states().at(state)(world);
    return world.fleet;
  };
  EXPECT_EQ(reached("first opening").candidate->phase, ReloadPhase::Opening);
  EXPECT_EQ(reached("candidate preparing").candidate->phase, ReloadPhase::Preparing);
  EXPECT_EQ(reached("candidate half ready").candidate->phase, ReloadPhase::Starting);
  EXPECT_EQ(reached("candidate opening").candidate->phase, ReloadPhase::Opening);
  EXPECT_EQ(reached("pausing").candidate->phase, ReloadPhase::Pausing);
  EXPECT_EQ(reached("half paused").workers[0].phase, WorkerPhase::Paused);
  EXPECT_TRUE(reached("rolling back").rolling_back);
  EXPECT_EQ(reached("draining").retired.size(), 1U);
  EXPECT_EQ(reached("lame duck").stop->phase, StopPhase::LameDuck);
  EXPECT_EQ(reached("lame duck in a reload").stop->phase, StopPhase::LameDuck);
  EXPECT_EQ(reached("lame duck over").stop->phase, StopPhase::EmptyingQueues);
  EXPECT_EQ(reached("stopping, queues").stop->phase, StopPhase::EmptyingQueues);
  EXPECT_EQ(reached("stopping, listeners").stop->phase, StopPhase::ClosingListeners);
  EXPECT_EQ(reached("stopping, leaving").stop->phase, StopPhase::Leaving);
  EXPECT_TRUE(reached("finished").finished);
}

TEST(FleetTable, AFinishedFleetDoesNothing) {
  FleetWorld world(two_workers());
  states().at("finished")(world);
  const std::size_t actions = world.log.size();
  for (const auto& [name, event] : events_at_large(world.fleet)) world.feed(event);
  EXPECT_EQ(world.log.size(), actions);
}

}  // namespace
}  // namespace holdfast::supervisor
