#include "supervisor/core/reload_verdict.hpp"

#include <gtest/gtest.h>

namespace holdfast::supervisor {
namespace {

FleetRecord failed_record() {
  FleetRecord record;
  record.note(failure("reload_failed")
                  .with("generation", std::uint64_t{2})
                  .with("reason", std::string("it died")),
              "{\"event\":\"reload_failed\",\"stderr_tail\":[\"oops\"]}\n", WallTime{});
  return record;
}

TEST(ReloadVerdictTest, EveryOutcomeHasItsExitCode) {
  EXPECT_EQ(exit_code_of(ReloadOutcome::Committed), ExitCode::Ok);
  EXPECT_EQ(exit_code_of(ReloadOutcome::Drained), ExitCode::Ok);
  EXPECT_EQ(exit_code_of(ReloadOutcome::Failed), ExitCode::ReloadFailed);
  EXPECT_EQ(exit_code_of(ReloadOutcome::Refused), ExitCode::BadConfiguration);
  EXPECT_EQ(exit_code_of(ReloadOutcome::Superseded), ExitCode::Superseded);
  EXPECT_EQ(exit_code_of(ReloadOutcome::Stopped), ExitCode::ReloadFailed);
}

TEST(ReloadVerdictTest, FailureComesWithItsReasonAndTheWholeEvent) {
  EXPECT_EQ(verdict_reply({1, ReloadOutcome::Failed, GenerationId{2}, "it died"}, failed_record()),
            "{\"holdfast\":1,\"reply\":\"verdict\",\"verdict\":\"failed\",\"exit_code\":10,"
            "\"generation\":2,\"reason\":\"it died\","
            "\"event\":{\"event\":\"reload_failed\",\"stderr_tail\":[\"oops\"]}}\n");
}

TEST(ReloadVerdictTest, FailureOfAnotherGenerationIsNotTold) {
  const std::string verdict =
      verdict_reply({1, ReloadOutcome::Failed, GenerationId{3}, "it hung"}, failed_record());
  EXPECT_EQ(verdict.find("event"), std::string::npos) << verdict;
}

TEST(ReloadVerdictTest, SupersededAndStoppedSayWhyThoughTheFleetDoesNot) {
  const FleetRecord record;
  EXPECT_NE(verdict_reply({1, ReloadOutcome::Superseded, {}, {}}, record)
                .find("\"exit_code\":12,\"reason\":\"a newer reload took its place\""),
            std::string::npos);
  EXPECT_NE(verdict_reply({1, ReloadOutcome::Stopped, {}, {}}, record)
                .find("\"exit_code\":10,\"reason\":\"the supervisor stops\""),
            std::string::npos);
}

}  // namespace
}  // namespace holdfast::supervisor
