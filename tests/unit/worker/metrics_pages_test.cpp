#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "worker/metrics/html.hpp"
#include "worker/metrics/pages.hpp"

namespace holdfast::metrics {
namespace {

Page ready(const std::string& json) { return ready_page(&json); }

std::string golden_status(const std::string& name) {
  std::ifstream in(HOLDFAST_GOLDEN_DIR "/status/" + name + ".json");
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(MetricsPagesTest, ASupervisorThatDoesNotAnswerMakesEveryPageA503) {
  for (const RenderPage page : {metrics_page, live_page, ready_page, status_page}) {
    const Page answer = page(nullptr);
    EXPECT_EQ(answer.status, 503);
    EXPECT_NE(answer.body.find("the supervisor does not answer"), std::string::npos);
  }
}

TEST(MetricsPagesTest, ReadyIsOnlyAServiceThatAcceptsAndWillGoOn) {
  EXPECT_EQ(ready(R"({"state":"serving","accepting_workers":1})").status, 200);
  EXPECT_EQ(ready(R"({"state":"reloading","accepting_workers":1})").status, 200);
  for (const char* state : {"starting", "lame_duck", "stopping", "one we do not know"}) {
    const Page page = ready(std::string(R"({"accepting_workers":1,"state":")") + state + "\"}");
    EXPECT_EQ(page.status, 503) << state;
    EXPECT_EQ(page.body, std::string("not ready: ") + state + "\n");
  }
  EXPECT_EQ(ready(R"({"state":"serving","accepting_workers":0})").body,
            "not ready: no worker accepts\n");
  EXPECT_EQ(ready("{}").status, 503);
  EXPECT_EQ(ready("nonsense").status, 503);
}

TEST(MetricsPagesTest, ADegradedServiceThatAcceptsIsReadyAndSaysWhatItLacks) {
  const Page page = ready(
      R"({"state":"serving","accepting_workers":1,"health":"degraded","reason":"1 of 2 workers accept"})");
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body, "ready, degraded: 1 of 2 workers accept\n");
}

TEST(MetricsPagesTest, AliveIsASupervisorThatAnswersWhateverItsState) {
  const std::string stopping = R"({"state":"stopping"})";
  EXPECT_EQ(live_page(&stopping).status, 200);
}

TEST(StatusPageTest, NothingThatTheStatusSaysIsTakenForMarkup) {
  const std::string evil = "<script>alert(1)</script>'\\\"&";
  const std::string json = R"({"name":")" + evil + R"(","label":")" + evil + R"(","state":")" +
                           evil + R"(","health":"degraded","reason":")" + evil +
                           R"(","version":")" + evil + R"(","workers":[{"phase":")" + evil +
                           R"("}],"listeners":[{"name":")" + evil + R"(","address":")" + evil +
                           R"("}],"candidate":{"phase":")" + evil +
                           R"("},"last_reload":{"verdict":")" + evil + R"(","reason":")" + evil +
                           R"(","at":")" + evil + R"("}})";
  const Page page = status_page(&json);
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body.find("<script"), std::string::npos);
  EXPECT_EQ(page.body.find("alert(1)</script"), std::string::npos);
  std::size_t seen = 0;
  for (std::size_t at = 0; (at = page.body.find("&lt;script&gt;", at)) != std::string::npos; ++at)
    ++seen;
  EXPECT_EQ(seen, 13U) << "each of them is shown, the name in title and heading";
}

TEST(StatusPageTest, ShowsWorkersListenersAndTheReasonOfTheLastFailure) {
  const std::string json = golden_status("reloading");
  const Page page = status_page(&json);
  for (const char* text :
       {"holdfast: default", "State: <strong class=\"good\">reloading",
        "Generation 3 serves (9f3c2ab)",
        "<th scope=\"row\">5</th><td>2</td><td>5005</td><td>draining</td>", "127.0.0.1:8080",
        "1 of 2 workers ready", "a worker of the candidate exited"})
    EXPECT_NE(page.body.find(text), std::string::npos) << text;
}

TEST(StatusPageTest, AStatusOfAnotherShapeIsStillAPage) {
  const std::string json =
      R"({"workers":3,"listeners":[1,null],"draining":{"a":{}},"serving":"x"})";
  const Page page = status_page(&json);
  EXPECT_EQ(page.status, 200);
  EXPECT_NE(page.body.find("No generation serves yet"), std::string::npos);
}

TEST(StatusPageTest, SpansSayTheirTwoLargestUnits) {
  EXPECT_EQ(span_text(0), "0s");
  EXPECT_EQ(span_text(59'999), "59s");
  EXPECT_EQ(span_text(60'000), "1m0s");
  EXPECT_EQ(span_text(3'661'000), "1h1m");
  EXPECT_EQ(span_text(90'000'000), "1d1h");
}

}  // namespace
}  // namespace holdfast::metrics
