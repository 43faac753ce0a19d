// holdfast-metrics as a process: what it may, and that nothing which becomes of it, or of whoever
// talks to it, is in the way of the service.
#include <chrono>
#include <csignal>
#include <fstream>

#include "tests/integration/metrics_fixture.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

std::string status_line(pid_t pid, const std::string& key) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(key + ":\t")) return line.substr(key.size() + 2);
  }
  return {};
}

LoadOptions steady_load(const std::string& address) {
  LoadOptions options{.target = address};
  options.groups.push_back({.name = "keep", .connections = 8, .think = {0ms, 4ms}});
  options.groups.push_back({.name = "new", .mode = Mode::New, .connections = 2});
  return options;
}

TEST(MetricsProcessTest, ItIsNobodyAndHasOnlyWhatItWasGiven) {
  MetricsRun metrics({.environment = {{"A_SECRET", "of the service"}}});
  metrics->wait_ready();
  ASSERT_EQ(metrics.get("/livez").status, 200);
  const pid_t pid = metrics.pid();
  EXPECT_EQ(status_line(pid, "NoNewPrivs"), "1");
  std::ifstream environment("/proc/" + std::to_string(pid) + "/environ");
  ASSERT_TRUE(environment.is_open());
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(environment), {}), "");
  const auto fds = open_fds(pid);
  EXPECT_EQ(fds.at(0), "/dev/null");
  EXPECT_EQ(fds.at(1), "/dev/null");
  EXPECT_TRUE(fds.at(2).starts_with("pipe:")) << fds.at(2);
  for (const int fd : {3, 4}) EXPECT_TRUE(fds.at(fd).starts_with("socket:")) << fds.at(fd);
  // What it made itself; the connection of our question goes in a moment.
  EXPECT_TRUE(eventually([&] {
    const auto all = open_fds(pid);
    return std::all_of(all.upper_bound(4), all.end(), [](const auto& each) {
      return each.second.starts_with("anon_inode:") || each.second == "/dev/null";
    });
  }));
  if (::geteuid() != 0) GTEST_SKIP() << "not root: there are no privileges to drop";
  EXPECT_EQ(status_line(pid, "Uid"), "65534\t65534\t65534\t65534");
  EXPECT_EQ(status_line(pid, "Groups"), " ");
  EXPECT_EQ(status_line(pid, "CapEff"), "0000000000000000");
}

TEST(MetricsProcessTest, ItIsNobodyAlsoWhereWorkersAreToldToBeRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can start somebody as root";
  for (const char* user : {"root", "0"}) {
    MetricsRun metrics({.flags = {"--user", user}});
    metrics->wait_ready();
    ASSERT_EQ(metrics.get("/livez").status, 200) << user;
    EXPECT_EQ(status_line(metrics.pid(), "Uid"), "65534\t65534\t65534\t65534");
    EXPECT_EQ(status_line(metrics.pid(), "Gid"), "65534\t65534\t65534\t65534");
    EXPECT_EQ(status_line(metrics.pid(), "Groups"), " ");
    EXPECT_EQ(status_line(metrics->worker_pid(1), "Uid"), "0\t0\t0\t0");
    EXPECT_EQ(metrics->count("metrics_exited"), 0u);
    expect_clean_stop(*metrics);
  }
}

TEST(MetricsProcessTest, ItsDeathIsAnEventAndItComesBackOnTheSameAddress) {
  MetricsRun metrics({.flags = {"--subreaper"}});  // which must not take its status
  metrics->wait_ready();
  LoadClient load(steady_load(metrics->address()));
  load.start();
  for (int i = 0; i < 3; ++i) {
    const std::size_t from = metrics->mark();
    const pid_t pid = static_cast<pid_t>(metrics->all("metrics_started").back().number("pid"));
    ::kill(pid, SIGKILL);
    const Event exited = metrics->wait("metrics_exited", from);
    EXPECT_EQ(exited.number("pid"), pid);
    EXPECT_EQ(exited.number("signal"), SIGKILL);
    EXPECT_EQ(exited.number("restart_in_ms"), i == 0 ? 0 : 100 << (i - 1)) << "it backs off";
    EXPECT_EQ(metrics->wait("metrics_started", from).text("address"), metrics.address());
    EXPECT_EQ(metrics.get("/readyz").status, 200);
  }
  EXPECT_TRUE(load.wait_for_requests(500));
  expect_no_failure(load.finish());
  expect_clean_stop(*metrics);
}

TEST(MetricsProcessTest, ScrapingTwentyTimesASecondCostsNoRequest) {
  MetricsRun metrics({.workers = "2"});
  metrics->wait_ready();
  LoadClient load(steady_load(metrics->address()));
  load.start();
  LoadOptions scrapes{.target = metrics.address()};
  scrapes.groups.push_back({.name = "scraper",
                            .requests = 60,
                            .think = {50ms, 50ms},
                            .path = "/metrics",
                            .verify = Verify::None});
  LoadClient scraper(scrapes);
  scraper.start();
  for (const std::uint64_t scraped : {10U, 30U, 50U}) {
    ASSERT_TRUE(scraper.wait_for_requests(scraped));
    metrics->reload();
  }
  const LoadResult scraped = scraper.join();
  expect_no_failure(scraped);
  EXPECT_EQ(scraped.total().ok, 60U);
  expect_no_failure(load.finish());
  expect_clean_stop(*metrics);
}

TEST(MetricsProcessTest, AStalledSupervisorIsNotAliveAndNoProbeHangs) {
  MetricsRun metrics;
  metrics->wait_ready();
  ASSERT_EQ(metrics.get("/livez").status, 200);
  metrics->signal(SIGSTOP);
  const TimePoint begun = Clock::now();
  const Response stalled = metrics.get("/livez");
  EXPECT_EQ(stalled.status, 503);
  EXPECT_EQ(stalled.body, "the supervisor does not answer\n");
  EXPECT_GE(Clock::now() - begun, 900ms);
  EXPECT_LT(Clock::now() - begun, scaled(3s));
  for (const char* path : {"/readyz", "/metrics", "/"})
    EXPECT_EQ(metrics.get(path).status, 503) << path;
  EXPECT_EQ(RawClient(metrics->address()).get("/").status, 200) << "workers go on";
  metrics->signal(SIGCONT);
  EXPECT_TRUE(metrics.eventually_answers("/livez", 200));
  expect_clean_stop(*metrics);
}

TEST(MetricsProcessTest, HostileClientsDisturbNeitherTheSupervisorNorTheProbes) {
  MetricsRun metrics;
  metrics->wait_ready();
  const std::string address = metrics.address();
  LoadClient load(steady_load(metrics->address()));
  load.start();
  std::vector<std::unique_ptr<RawClient>> hostile;
  for (int i = 0; i < 100; ++i) {
    hostile.push_back(std::make_unique<RawClient>(address));
    if (i % 3 == 0) hostile.back()->send("GET /metrics HTTP/1.1\r\nHost: sl");
    if (i % 3 == 1) hostile.back()->send(std::string(100, '\x01') + "\r\n\r\n");
  }
  RawClient endless(address);
  for (int i = 0; i < 200; ++i) endless.send(get_request("/metrics"));  // and reads nothing
  RawClient large(address);
  large.send("GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\n\r\n");
  EXPECT_EQ(large.read_response().status / 100, 4);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(metrics.get("/livez").status, 200);
    EXPECT_EQ(metrics.get("/readyz").status, 200);
  }
  EXPECT_EQ(metrics->reload().name(), "reload_done");
  for (auto& client : hostile) EXPECT_NE(client->wait_end(), End::StillOpen);
  EXPECT_EQ(metrics->count("metrics_exited"), 0u);
  expect_no_failure(load.finish());
  expect_clean_stop(*metrics);
}

TEST(MetricsProcessTest, ItHasNoPowerOverTheSupervisor) {
  MetricsRun metrics;
  metrics->wait_ready();
  EXPECT_EQ(metrics.get("/metrics?op=stop").status, 200);
  EXPECT_EQ(metrics->count("stopping"), 0u);
}

TEST(MetricsProcessTest, ItLeavesWithASupervisorThatIsKilled) {
  MetricsRun metrics;
  metrics->wait_ready();
  ASSERT_EQ(metrics.get("/livez").status, 200);
  metrics->signal(SIGKILL);
  EXPECT_TRUE(wait_gone(metrics.pid()));
  EXPECT_TRUE(is_refused(metrics.address()));
}

TEST(MetricsProcessTest, OneThatHangsDoesNotHoldUpTheStop) {
  MetricsRun metrics;
  metrics->wait_ready();
  ::kill(metrics.pid(), SIGSTOP);
  EXPECT_EQ(metrics->stop(), exited(0));
  EXPECT_FALSE(is_alive(metrics.pid()));
  EXPECT_EQ(metrics->leftovers(), "");
}

TEST(MetricsProcessTest, AnAddressThatIsTakenEndsTheRun) {
  MetricsRun first;
  const std::string address = first.address();
  MetricsRun second({}, address);
  EXPECT_EQ(second->wait_exit(), exited(1));
  second->events().wait_end();
  ASSERT_EQ(second->events().text().size(), 1u);
  EXPECT_NE(second->events().text()[0].find(address), std::string::npos);
  EXPECT_EQ(second->count("worker_started"), 0u);
}

TEST(MetricsProcessTest, StartedByHandItSaysWhoStartsIt) {
  const CommandResult result =
      run_command({holdfast_path().substr(0, holdfast_path().rfind('/')) + "/holdfast-metrics"});
  EXPECT_EQ(result.status, exited(2));
  EXPECT_EQ(result.err, "holdfast-metrics: is started by 'holdfast run --metrics ADDRESS'\n");
}

}  // namespace
}  // namespace holdfast::testing
