#include "supervisor/core/fleet_record.hpp"

#include <gtest/gtest.h>

namespace holdfast::supervisor {
namespace {

Report exit_of(Severity severity, const std::string& phase) {
  return Report{severity, "worker_exited", {}}
      .with("generation", std::uint64_t{1})
      .with("phase", phase);
}

TEST(FleetRecordTest, FailureIsKeptWholeAndSurvivesTheNextGoodReload) {
  FleetRecord record;
  record.note(failure("reload_failed")
                  .with("generation", std::uint64_t{2})
                  .with("reason", std::string("it died")),
              R"({"event":"reload_failed"})", WallTime{});
  ASSERT_TRUE(record.last_reload);
  EXPECT_FALSE(record.last_reload->done);
  EXPECT_EQ(record.last_reload->reason, "it died");

  record.note(
      report("reload_done").with("generation", std::uint64_t{3}).with("ready_ms", std::uint64_t{4}),
      "{}", WallTime{});
  EXPECT_TRUE(record.last_reload->done);
  EXPECT_EQ(record.last_reload->generation, GenerationId{3});
  EXPECT_EQ(record.last_reload->ready_ms, 4u);
  EXPECT_EQ(record.last_failure, R"({"event":"reload_failed"})");
  EXPECT_EQ(record.counts.reloads_done, 1u);
  EXPECT_EQ(record.counts.reloads_failed, 1u);
}

TEST(FleetRecordTest, OnlyEndsThatNobodyAskedForAreCrashes) {
  FleetRecord record;
  record.note(exit_of(Severity::Info, "draining"), "", WallTime{});
  record.note(exit_of(Severity::Warning, "draining"), "", WallTime{});
  record.note(exit_of(Severity::Warning, "terminating"), "", WallTime{});
  record.note(exit_of(Severity::Warning, "killed"), "", WallTime{});
  EXPECT_EQ(record.counts.crashes, 0u);
  record.note(exit_of(Severity::Warning, "accepting"), "", WallTime{});
  record.note(exit_of(Severity::Warning, "starting"), "", WallTime{});
  EXPECT_EQ(record.counts.crashes, 2u);
}

TEST(FleetRecordTest, WorkersOfAGenerationThatServesAlreadyAreRespawns) {
  FleetRecord record;
  const auto started = [&](std::uint64_t generation) {
    record.note(report("worker_started").with("generation", generation), "", WallTime{});
  };
  started(1);
  record.note(report("serving").with("generation", std::uint64_t{1}), "", WallTime{});
  EXPECT_EQ(record.counts.respawns, 0u);
  started(1);
  started(2);  // a candidate's
  EXPECT_EQ(record.counts.respawns, 1u);
}

}  // namespace
}  // namespace holdfast::supervisor
