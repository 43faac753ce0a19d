#include "supervisor/core/status.hpp"

#include <fstream>

#include <gtest/gtest.h>

namespace holdfast::supervisor {
namespace {

using namespace std::chrono_literals;

constexpr TimePoint kNow{10'000s};

std::string golden_text(const std::string& name) {
  std::ifstream in(HOLDFAST_GOLDEN_DIR "/status/" + name + ".json");
  std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_TRUE(text.ends_with('\n')) << name;
  if (!text.empty()) text.pop_back();
  return text;
}

Worker worker_in(std::uint64_t id, std::uint64_t generation, WorkerPhase phase) {
  Worker worker{{id}, {generation}};
  worker.phase = phase;
  worker.started_at = kNow - 60s;
  if (phase != WorkerPhase::Starting) worker.ready_at = kNow - 59s;
  return worker;
}

Fleet serving_fleet(std::size_t workers) {
  FleetPolicy policy;
  policy.workers = workers;
  Fleet fleet = make_fleet(policy);
  fleet.serving = GenerationId{3};
  for (std::size_t i = 1; i <= workers; ++i)
    fleet.workers.push_back(worker_in(i, 3, WorkerPhase::Accepting));
  return fleet;
}

StatusFacts facts_of(const Fleet& fleet) {
  StatusFacts facts;
  facts.pid = 4711;
  facts.name = "default";
  facts.version = "0.1.0";
  facts.started_at = kNow - 3'600s;
  facts.listeners = {{"http", "127.0.0.1:8080"}};
  for (const Worker& worker : fleet.workers)
    facts.processes[worker.id] = {static_cast<int>(5'000 + worker.id.value), 3'145'728};
  return facts;
}

Status status_of(const Fleet& fleet) {
  return make_status(fleet, FleetCounters(), FleetRecord(), facts_of(fleet), kNow);
}

TEST(StatusTest, AScaleInTheMiddleOfAReloadIsNoDegradation) {
  Fleet fleet = serving_fleet(2);
  fleet.candidate = Candidate{{4}, ReloadPhase::Starting, 2, kNow - 1s, kNow + 59s};
  fleet.candidate->size = 2;
  fleet.wanted = 3;
  EXPECT_EQ(status_of(fleet).degraded, "");
  fleet.workers.pop_back();
  EXPECT_EQ(status_of(fleet).degraded, "1 of 2 workers accept");
  fleet.candidate.reset();
  EXPECT_EQ(status_of(fleet).degraded, "1 of 3 workers accept");
}

TEST(StatusTest, JsonOfAReloadBesideADrainIsTheGoldenBytes) {
  Fleet fleet = serving_fleet(2);
  fleet.candidate = Candidate{{4}, ReloadPhase::Starting, 2, kNow - 1s, kNow + 59s};
  fleet.candidate->size = 2;
  fleet.workers.push_back(worker_in(3, 4, WorkerPhase::Ready));
  fleet.workers.push_back(worker_in(4, 4, WorkerPhase::Starting));
  Worker old = worker_in(5, 2, WorkerPhase::Draining);
  old.deadline = kNow + 30s;
  old.leaving = true;
  fleet.workers.insert(fleet.workers.begin(), old);
  fleet.retired.push_back(Retired{{2}, kNow - 40s, 1, {}});
  fleet.reload_pending = true;

  FleetCounters counters;
  Stats stats{12, 10, 2, 345, 6, 0, 0, {}};
  stats.listeners = {{"http", 20, {0, 339, 0, 0, 6}, 70'000, 130'000, 690'000, {300, 40, 5}}};
  counters.add({1}, {3}, stats, kNow - 1s);
  stats.requests = 400;
  counters.add({1}, {3}, stats, kNow);
  counters.add({5}, {2}, Stats{3, 1, 2, 9, 0}, kNow);

  FleetRecord record;
  record.note(failure("reload_failed")
                  .with("generation", std::uint64_t{1})
                  .with("reason", std::string("a worker of the candidate exited")),
              R"({"type":"event","severity":"error","event":"reload_failed","generation":1})",
              WallTime{1'767'323'045s});
  StatusFacts facts = facts_of(fleet);
  facts.label = "9f3c2ab";
  const std::string json = to_json(make_status(fleet, counters, record, facts, kNow));
  EXPECT_EQ(json, golden_text("reloading")) << json;
}

TEST(StatusTest, JsonOfAQuietServiceIsTheGoldenBytes) {
  const std::string json = to_json(status_of(serving_fleet(1)));
  EXPECT_EQ(json, golden_text("serving")) << json;
}

TEST(StatusTest, JsonOfAStartIsTheGoldenBytes) {
  const Fleet fleet = make_fleet(FleetPolicy{});
  const std::string json = to_json(status_of(fleet));
  EXPECT_EQ(json, golden_text("starting")) << json;
}

TEST(StatusTest, ServiceIsDegradedWhileFewerAcceptThanAreWanted) {
  Fleet fleet = serving_fleet(2);
  EXPECT_EQ(status_of(fleet).degraded, "");
  fleet.workers.back().phase = WorkerPhase::Starting;
  EXPECT_EQ(status_of(fleet).degraded, "1 of 2 workers accept");
  fleet.workers.pop_back();
  fleet.vacancies = {kNow + 800ms};
  fleet.history.quick_deaths = 4;
  EXPECT_EQ(status_of(fleet).degraded,
            "1 of 2 workers accept; 4 died in a row, the next one starts in 800ms");
}

TEST(StatusTest, ServiceIsNotDegradedByAReload) {
  Fleet fleet = serving_fleet(2);
  fleet.candidate = Candidate{{4}, ReloadPhase::Pausing, 2, kNow, kNow + 1s};
  fleet.candidate->size = 2;
  for (Worker& worker : fleet.workers) worker.phase = WorkerPhase::Paused;
  fleet.workers.push_back(worker_in(3, 4, WorkerPhase::Accepting));
  fleet.workers.push_back(worker_in(4, 4, WorkerPhase::Accepting));
  EXPECT_EQ(status_of(fleet).degraded, "");
  EXPECT_EQ(status_of(fleet).state, ServiceState::Reloading);
}

TEST(StatusTest, WorkerThatLeavesOrHasExitedTakesNoClients) {
  Fleet fleet = serving_fleet(3);
  fleet.workers[0].leaving = true;
  fleet.workers[1].exited = ExitStatus{.signal = 9};
  EXPECT_EQ(status_of(fleet).accepting_workers, 1u);
}

TEST(StatusTest, StopIsTold) {
  Fleet fleet = serving_fleet(1);
  fleet.stop = Stop{};
  fleet.stop->phase = StopPhase::LameDuck;
  EXPECT_EQ(status_of(fleet).state, ServiceState::LameDuck);
  fleet.stop->phase = StopPhase::Leaving;
  EXPECT_EQ(status_of(fleet).state, ServiceState::Stopping);
  EXPECT_EQ(status_of(fleet).degraded, "the service stops");
}

TEST(StatusTest, ReloadThatWaitsForADrainSaysSo) {
  Fleet fleet = serving_fleet(1);
  fleet.policy.max_old_generations = 1;
  fleet.retired.push_back(Retired{{2}, kNow - 4s, 1, {}});
  EXPECT_FALSE(status_of(fleet).reload_waiting);
  fleet.reload_pending = true;
  EXPECT_TRUE(status_of(fleet).reload_waiting);
}

TEST(StatusTest, BytesThatAreNotUtf8AreReplaced) {
  Fleet fleet = serving_fleet(1);
  StatusFacts facts = facts_of(fleet);
  facts.label = "\xff";
  const Status status = make_status(fleet, FleetCounters(), FleetRecord(), facts, kNow);
  EXPECT_NE(to_json(status).find("\xef\xbf\xbd"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::supervisor
