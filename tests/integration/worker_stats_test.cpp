// A worker and a test that is its supervisor: what the worker says of its listeners is what its
// access log says, request by request.
#include <chrono>
#include <numeric>

#include <gtest/gtest.h>

#include "shared/io/log_target.hpp"
#include "tests/integration/played_supervisor.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/supervisor_run.hpp"

namespace holdfast::testing {
namespace {

class WorkerStatsTest : public PlayedSupervisorTest {
 protected:
  void SetUp() override {
    start_worker();
    Welcome welcome;
    welcome.fds = {"access_log"};
    std::vector<UniqueFd> logs;
    logs.push_back(open_log_target(log_path()).value());
    let_it_accept(std::move(welcome), {"http", "admin"}, std::move(logs));
  }
  // Waits for what the worker says by itself.
  void wait_until(const std::function<bool()>& enough) {
    while (!enough()) wait_for<Stats>();
  }
  std::string log_path() const { return files.file("access.log"); }
  void send_one_of_each_class() {
    RawClient http(addresses[0]);
    http.get("/");
    http.get("/no-such-page");
    http.get("/error?status=500");
    http.get("/sleep?ms=30");
    http.post("/echo", "twelve bytes");
    RawClient(addresses[0]).send("GET\r\n\r\n").read_all();
    RawClient(addresses[0]).send("GET / HTTP/1.1\r\nHost: leaves").half_close().read_all();
    RawClient admin(addresses[1]);
    admin.get("/");
  }
  // Of one listener, added up from the access log.
  ListenerStats expected(const std::string& name, std::uint64_t accepted) const {
    ListenerStats sum{name, accepted};
    const AccessLog log = AccessLog::read(log_path());
    for (const auto& line : log.lines()) {
      if (line.at("listener") != name) continue;
      ++sum.responses[line.at("http_status_code").get<std::size_t>() / 100 - 1];
      sum.bytes_received += line.at("bytes_received").get<std::uint64_t>();
      sum.bytes_sent += line.at("bytes_sent").get<std::uint64_t>();
      const auto micros =
          static_cast<std::uint64_t>(line.at("response_time").get<double>() * 1e6 + 0.5);
      sum.latency_us += micros;
      std::size_t bucket = 0;
      while (bucket < kLatencyBounds.size() && micros > kLatencyBounds[bucket]) ++bucket;
      ++sum.latency[bucket];
    }
    return sum;
  }

  TempDir files;
};

TEST_F(WorkerStatsTest, CountsOfEachListenerAreExactlyThoseOfTheAccessLog) {
  send_one_of_each_class();
  channel->send(Drain{.reason = DrainReason::Reload});
  wait_for<Drained>();
  EXPECT_EQ(worker->wait_exit(), exited(0));
  ASSERT_EQ(last.listeners.size(), 2U);
  EXPECT_EQ(last.listeners[0], expected("http", 3));
  EXPECT_EQ(last.listeners[1], expected("admin", 1));
  const auto& responses = last.listeners[0].responses;
  EXPECT_GE(responses[3], 2U) << "a test without a 4xx would not tell";
  EXPECT_EQ(responses[4], 1U);
  EXPECT_EQ(last.requests, std::accumulate(responses.begin(), responses.end(), std::uint64_t{1}));
}

TEST_F(WorkerStatsTest, AConnectionThatSendsNothingIsToldOfWhenItComesAndWhenItGoes) {
  {
    const RawClient silent(addresses[1]);
    wait_until([&] { return last.connections == 1; });
    ASSERT_EQ(last.listeners.size(), 1U);
    EXPECT_EQ(last.listeners[0].name, "admin");
    EXPECT_EQ(last.listeners[0].accepted, 1U);
  }
  wait_until([&] { return last.connections == 0; });
  EXPECT_EQ(last.listeners[0].accepted, 1U);
}

TEST_F(WorkerStatsTest, AnAnswerIsExactWhateverWasSaidBefore) {
  RawClient client(addresses[0]);
  for (std::uint64_t i = 1; i <= 20; ++i) {
    client.get("/");
    channel->send(StatsRequest{});
    wait_until([&] { return !last.listeners.empty() && last.listeners[0].responses[1] >= i; });
    EXPECT_EQ(last.listeners[0].responses[1], i);
  }
}

}  // namespace
}  // namespace holdfast::testing
