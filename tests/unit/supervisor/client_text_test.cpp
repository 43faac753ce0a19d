// What people read, from JSON that a supervisor of any age may have written.
#include <algorithm>
#include <fstream>

#include <gtest/gtest.h>

#include "supervisor/client/event_text.hpp"
#include "supervisor/client/reload_text.hpp"
#include "supervisor/client/status_screen.hpp"
#include "supervisor/client/text_table.hpp"

namespace holdfast::supervisor {
namespace {

using Json = nlohmann::json;

Json golden_status(const std::string& name) {
  std::ifstream in(HOLDFAST_GOLDEN_DIR "/status/" + name + ".json");
  return Json::parse(in);
}

std::string file_text(const std::string& name) {
  std::ifstream in(HOLDFAST_GOLDEN_DIR "/status/" + name);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(StatusScreenTest, ReloadBesideADrainIsTheGoldenScreen) {
  EXPECT_EQ(render_status(golden_status("reloading")), file_text("reloading.txt"))
      << render_status(golden_status("reloading"));
}

TEST(StatusScreenTest, QuietServiceAndStartAreTheGoldenScreens) {
  EXPECT_EQ(render_status(golden_status("serving")), file_text("serving.txt"))
      << render_status(golden_status("serving"));
  EXPECT_EQ(render_status(golden_status("starting")), file_text("starting.txt"))
      << render_status(golden_status("starting"));
}

TEST(StatusScreenTest, OneScreenIsNeverLeft) {
  Json status = golden_status("serving");
  for (int i = 0; i < 100; ++i) status["workers"].push_back(status["workers"][0]);
  for (std::size_t rows : {8u, 24u, 50u}) {
    const std::string screen = render_status(status, rows);
    EXPECT_LE(std::count(screen.begin(), screen.end(), '\n'), static_cast<long>(rows));
    EXPECT_NE(screen.find(" more\n"), std::string::npos);
  }
}

TEST(StatusScreenTest, SupervisorOfAnotherAgeIsShownAsFarAsItIsUnderstood) {
  EXPECT_FALSE(render_status(Json::object()).empty());
  const Json odd{{"pid", "x"}, {"workers", 7}, {"listeners", {1, 2}}, {"candidate", "soon"}};
  EXPECT_FALSE(render_status(odd).empty());
  EXPECT_FALSE(is_degraded(odd));
  EXPECT_TRUE(is_degraded(Json{{"health", "degraded"}}));
}

TEST(StatusScreenTest, NothingReachesTheTerminalThatMovesItsCursor) {
  Json status = golden_status("serving");
  status["name"] = "a\x1b[2Jb\nc";
  const std::string screen = render_status(status);
  EXPECT_EQ(screen.find('\x1b'), std::string::npos);
  EXPECT_NE(screen.find("a?[2Jb?c"), std::string::npos);
}

TEST(StatusScreenTest, LastFailureShowsWhatTheWorkerPrinted) {
  Json status = Json::object();
  EXPECT_EQ(render_last_failure(status), "no reload has failed since this supervisor began\n");
  status["last_failure"] = {{"logged_at", "2026-01-02T03:04:05.000006Z"},
                            {"generation", 2},
                            {"phase", "starting"},
                            {"reason", "a worker of the candidate exited"},
                            {"exit_code", 3},
                            {"stderr_tail", Json::array({"loading", "no such table: users"})}};
  EXPECT_EQ(render_last_failure(status),
            "2026-01-02T03:04:05Z generation 2 failed while starting: a worker of the candidate "
            "exited, exit code 3\n  | loading\n  | no such table: users\n");
}

TEST(ReloadTextTest, VerdictsReadAsSentences) {
  EXPECT_EQ(render_verdict({{"verdict", "committed"}, {"generation", 3}, {"ready_ms", 9}}),
            "generation 3 serves, ready in 9ms\n");
  EXPECT_EQ(
      render_verdict({{"verdict", "superseded"}, {"reason", "a newer reload took its place"}}),
      "cannot reload: a newer reload took its place\n");
  EXPECT_EQ(render_verdict({{"verdict", "refused"}, {"reason", "cannot run ./srv: no such file"}}),
            "cannot run ./srv: no such file; the old generation serves on\n");
  EXPECT_EQ(render_verdict({{"verdict", "failed"},
                            {"reason", "a worker of the candidate exited"},
                            {"event", {{"signal", 11}, {"stderr_tail", Json::array({"oops"})}}}}),
            "cannot reload: a worker of the candidate exited, signal 11; the old generation serves "
            "on\n  | oops\n");
  EXPECT_EQ(render_verdict({{"verdict", "drained"},
                            {"generation", 3},
                            {"event", {{"generation", 2}, {"drain_ms", 1200}, {"cut", 1}}}}),
            "generation 3 serves; generation 2 has drained in 1s: 0 served, 0 handed off, 1 cut\n");
}

TEST(ReloadTextTest, ProgressSaysWhatIsAwaited) {
  EXPECT_EQ(render_progress(Json::object()), "");
  EXPECT_EQ(render_progress(golden_status("reloading")),
            "generation 4 starting, 1 of 2 workers ready, 59s left; another is queued");
  EXPECT_EQ(render_progress({{"reload_queued", true}, {"reload_waiting", true}}),
            "waits for an old generation to drain");
}

TEST(EventTextTest, EventsAreLinesAndTheirOutputIsIndented) {
  EXPECT_EQ(render_event(R"({"logged_at":"2026-01-02T03:04:05.000006Z","type":"event",)"
                         R"("severity":"error","event":"reload_failed","generation":2,)"
                         R"("reason":"it died","stderr_tail":["a\u001b","b"]})"),
            "2026-01-02 03:04:05.000 error reload_failed generation=2 reason=\"it died\"\n"
            "  | a?\n  | b\n");
  EXPECT_EQ(render_event("no json"), "no json\n");
}

TEST(TextTableTest, ColumnsAreAsWideAsTheirWidestCell) {
  EXPECT_EQ(format_table({{"N", "PHASE"}, {"1", "ready"}, {"10", "x"}}),
            " N  PHASE\n 1  ready\n10  x\n");
}

TEST(TextTableTest, NumbersReadAsPeopleSayThem) {
  EXPECT_EQ(format_time(850), "850ms");
  EXPECT_EQ(format_time(12'400), "12s");
  EXPECT_EQ(format_time(200'000), "3m 20s");
  EXPECT_EQ(format_time(7'260'000), "2h 1m");
  EXPECT_EQ(format_time(187'200'000), "2d 4h");
  EXPECT_EQ(format_bytes(512), "512B");
  EXPECT_EQ(format_bytes(3'145'728), "3.0M");
  EXPECT_EQ(format_count(1, "worker"), "1 worker");
  EXPECT_EQ(format_count(0, "worker"), "0 workers");
}

}  // namespace
}  // namespace holdfast::supervisor
