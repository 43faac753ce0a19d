// --metrics: what is counted, and what probes are told.
#include <chrono>
#include <csignal>

#include "tests/integration/fifo_gate.hpp"
#include "tests/integration/metrics_fixture.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

// A request in flight for as long as the test likes.
constexpr std::string_view kHalfAnUpload =
    "POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\n1";

const std::string kCommitted = R"(holdfast_reloads_total{verdict="committed"})";

std::string responses_of(int digit) {
  return R"(holdfast_http_requests_total{listener="http",code=")" + std::to_string(digit) + "xx\"}";
}

// No class of them was empty, so that a mistake shows.
void expect_counts_of_log(const Samples& samples, const AccessLog& log) {
  std::array<double, 6> expected{};
  double sent = 0;
  for (const auto& line : log.lines()) {
    ++expected[line.at("http_status_code").get<std::size_t>() / 100];
    sent += line.at("bytes_sent").get<double>();
  }
  for (int digit = 1; digit <= 5; ++digit)
    EXPECT_EQ(samples.at(responses_of(digit)), expected[static_cast<std::size_t>(digit)]) << digit;
  EXPECT_EQ(samples.at(R"(holdfast_http_sent_bytes_total{listener="http"})"), sent);
  const double all = static_cast<double>(log.size());
  EXPECT_EQ(samples.at(R"(holdfast_http_request_duration_seconds_count{listener="http"})"), all);
  EXPECT_EQ(
      samples.at(R"(holdfast_http_request_duration_seconds_bucket{listener="http",le="+Inf"})"),
      all);
}

TEST(MetricsTest, CountsAreThoseOfTheAccessLogOverReloads) {
  MetricsRun metrics({.workers = "2"});
  metrics->wait_ready();
  for (int i = 0; i < 3; ++i) {
    LoadOptions options{.target = metrics->address()};
    options.groups.push_back({.name = "keep", .connections = 4});
    options.groups.push_back({.name = "lost",
                              .mode = Mode::New,
                              .path = "/no-such-page",
                              .status = 404,
                              .verify = Verify::None});
    options.groups.push_back({.name = "error",
                              .mode = Mode::New,
                              .path = "/error",
                              .status = 500,
                              .verify = Verify::None});
    LoadClient load(options);
    load.start();
    EXPECT_TRUE(load.wait_for_requests(300));
    EXPECT_EQ(metrics->reload().name(), "reload_done");
    expect_no_failure(load.finish());
  }
  metrics->reload();
  metrics->wait_workers(2);  // whoever served is gone
  EXPECT_TRUE(metrics.eventually_says(kCommitted, 4));
  const AccessLog log = metrics->log();
  EXPECT_GT(log.count("http_status_code", 404), 0u);
  EXPECT_GT(log.count("http_status_code", 500), 0u);
  expect_counts_of_log(metrics.samples(), log);
  expect_clean_stop(*metrics);
}

TEST(MetricsTest, NoCounterEverFallsOverReloadsAndTheDeathOfAWorker) {
  MetricsRun metrics({.workers = "2"});
  metrics->wait_ready();
  LoadOptions options{.target = metrics->address()};
  options.groups.push_back({.name = "keep", .connections = 4, .think = {1ms, 5ms}});
  LoadClient load(options);
  load.start();
  Samples before = metrics.samples();
  const auto look = [&] {
    const Samples now = metrics.samples();
    for (const auto& [series, value] : now) {
      const std::string name = series.substr(0, series.find('{'));
      const bool counter = name.ends_with("_total") || name.ends_with("_bucket") ||
                           name.ends_with("_count") || name.ends_with("_sum");
      const auto then = before.find(series);
      if (!counter || then == before.end()) continue;
      EXPECT_GE(value, then->second) << series;
    }
    before = now;
  };
  for (int i = 0; i < 5; ++i) {
    EXPECT_TRUE(load.wait_for_requests(load.requests_done() + 100));
    look();
    metrics->reload();
    look();
  }
  const std::size_t from = metrics->mark();
  ::kill(metrics->started_workers().back().pid, SIGKILL);
  metrics->wait("worker_exited", from);
  look();
  metrics->wait("worker_accepting", from);
  EXPECT_TRUE(metrics.eventually_says("holdfast_worker_crashes_total", 1));
  // Workers tell their counts once in a while.
  EXPECT_TRUE(eventually(
      [&] {
        look();
        return before.at(responses_of(2)) >= 500;
      },
      kCap));
  load.finish();
  EXPECT_EQ(before.at(kCommitted), 5);
}

TEST(MetricsTest, ReadinessEndsWithTermAndLivenessWithTheDrain) {
  MetricsRun metrics;
  metrics->wait_ready();
  EXPECT_TRUE(metrics.eventually_answers("/readyz", 200));
  RawClient slow(metrics->address());
  slow.send(kHalfAnUpload);
  EXPECT_TRUE(metrics.eventually_says(R"(holdfast_requests_in_flight{generation="1"})", 1));
  metrics->signal(SIGTERM);
  metrics->wait("stopping");
  const Response unready = metrics.get("/readyz");
  EXPECT_EQ(unready.status, 503) << "at once, not when a scrape is over";
  EXPECT_EQ(unready.body, "not ready: stopping\n");
  EXPECT_EQ(metrics.get("/livez").status, 200);
  EXPECT_EQ(metrics.samples().at(R"(holdfast_state{state="stopping"})"), 1);
  slow.send("2");
  EXPECT_EQ(slow.read_response().status, 200);
  EXPECT_EQ(metrics->wait_exit(), exited(0));
  EXPECT_TRUE(is_refused(metrics.address()));
  EXPECT_FALSE(is_alive(metrics.pid()));
  EXPECT_EQ(metrics->leftovers(), "");
}

TEST(MetricsTest, ALameDuckIsNotReady) {
  MetricsRun metrics({.flags = {"--lame-duck", "600s"}});
  metrics->wait_ready();
  EXPECT_TRUE(metrics.eventually_answers("/readyz", 200));
  metrics->signal(SIGTERM);
  metrics->wait("stopping");
  EXPECT_EQ(metrics.get("/readyz").body, "not ready: lame_duck\n");
  EXPECT_EQ(metrics.get("/livez").status, 200);
  metrics->signal(SIGTERM);
  EXPECT_EQ(metrics->wait_exit(), exited(0));
}

TEST(MetricsTest, AServiceThatStillStartsIsAliveAndNotReady) {
  const FifoGate gate;
  MetricsRun metrics({.command = gate.demo_behind_it()});
  EXPECT_EQ(metrics.get("/readyz").body, "not ready: starting\n");
  EXPECT_EQ(metrics.get("/livez").status, 200);
  gate.open();
  metrics->wait_ready();
  EXPECT_EQ(metrics.get("/readyz").body, "ready\n");
}

TEST(MetricsTest, PromtoolReadsTheTextOfEveryStateWithoutAWarning) {
  if (!installed("promtool")) GTEST_SKIP() << "promtool (Debian: prometheus) is not installed";
  const auto check = [](MetricsRun& metrics, const std::string& state) {
    std::string text;
    EXPECT_TRUE(eventually(
        [&] {
          text = metrics.text();
          return read_samples(text).at("holdfast_state{state=\"" + state + "\"}") == 1;
        },
        kCap))
        << state;
    const CommandResult checked = run_command({"promtool", "check", "metrics"}, text);
    EXPECT_EQ(checked.status, exited(0)) << checked.err;
    EXPECT_EQ(checked.out + checked.err, "") << state;
  };
  const FifoGate gate;
  MetricsRun metrics({.flags = {"--lame-duck", "600s"}, .command = gate.demo_behind_it()});
  check(metrics, "starting");
  gate.open();
  metrics->wait_ready();
  RawClient client(metrics->address());
  client.get("/");
  check(metrics, "serving");
  metrics->signal(SIGHUP);
  check(metrics, "reloading");
  gate.open();
  metrics->wait("reload_done");
  RawClient slow(metrics->address());
  slow.send(kHalfAnUpload);
  EXPECT_TRUE(metrics.eventually_says(R"(holdfast_requests_in_flight{generation="2"})", 1));
  metrics->signal(SIGTERM);
  check(metrics, "lame_duck");

  MetricsRun stopping;
  stopping->wait_ready();
  RawClient busy(stopping->address());
  busy.send(kHalfAnUpload);
  EXPECT_TRUE(stopping.eventually_says(R"(holdfast_requests_in_flight{generation="1"})", 1));
  stopping->signal(SIGTERM);
  check(stopping, "stopping");
}

TEST(MetricsTest, TheAlertsOfTheDocumentationAreRulesThatPrometheusTakes) {
  if (!installed("promtool")) GTEST_SKIP() << "promtool (Debian: prometheus) is not installed";
  const CommandResult checked = run_command({"promtool", "check", "rules", HOLDFAST_ALERTS});
  EXPECT_EQ(checked.status, exited(0)) << checked.out << checked.err;
  EXPECT_NE(checked.out.find("SUCCESS: 7 rules found"), std::string::npos) << checked.out;
}

TEST(MetricsTest, TheCommandPrintsWhatTheServerServes) {
  MetricsRun metrics;
  metrics->wait_ready();
  RawClient(metrics->address()).get("/");
  ASSERT_TRUE(metrics.eventually_says(responses_of(2), 1));
  ASSERT_TRUE(metrics.eventually_says(R"(holdfast_connections{generation="1"})", 0));
  const auto steady = [](const std::string& text) {
    Samples samples = read_samples(text);
    samples.erase("holdfast_uptime_seconds");
    samples.erase(R"(holdfast_worker_resident_memory_bytes{generation="1"})");
    return samples;
  };
  const CommandResult printed =
      run_command({holdfast_path(), "metrics", "--name", metrics->name()});
  EXPECT_EQ(printed.status, exited(0)) << printed.err;
  EXPECT_EQ(steady(printed.out), steady(metrics.text()));
  EXPECT_EQ(run_command({holdfast_path(), "metrics", "--name", "nobody-here"}).status, exited(3));
}

TEST(MetricsTest, AUnixSocketWorksAndItsFileGoesWithTheRun) {
  const TempDir files;
  const std::string path = files.file("metrics.sock");
  MetricsRun metrics({}, "unix:" + path);
  metrics->wait_ready();
  EXPECT_EQ(metrics.get("/livez").status, 200);
  EXPECT_EQ(metrics->stop(), exited(0));
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(MetricsTest, OtherPathsAndMethodsAreRefused) {
  MetricsRun metrics;
  metrics->wait_ready();
  RawClient client(metrics.address());
  EXPECT_EQ(client.get("/nothing").status, 404);
  EXPECT_EQ(client.post("/metrics", "x").status, 405);
  client.send("HEAD /metrics HTTP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(client.read_response(true).status, 200);
}

}  // namespace
}  // namespace holdfast::testing
