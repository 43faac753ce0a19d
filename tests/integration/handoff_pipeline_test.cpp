// Pipelined requests cut in two at every byte, with a reload in between: each is answered once, in
// order, on the one connection, whoever reads which part of it.
#include <chrono>
#include <csignal>
#include <set>

#include "tests/integration/handoff_fixture.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

// Each answer is the id of its request, so that order and number can be read from the answers.
struct Burst {
  explicit Burst(const std::string& id) {
    for (int i = 0; i < kRequests; ++i) {
      const std::string name = id + "-" + std::to_string(i);
      const std::string fields = "Host: test\r\nX-Request-ID: " + name + "\r\n";
      answers.push_back(name);
      switch (i % 3) {
        case 0:
          bytes += "POST /echo HTTP/1.1\r\n" + fields +
                   "Content-Length: " + std::to_string(name.size()) + "\r\n\r\n" + name;
          break;
        case 1:
          bytes += "GET / HTTP/1.1\r\n" + fields + "\r\n";
          answers.back() = "Hello, world!";
          break;
        default:
          bytes += "POST /echo HTTP/1.1\r\n" + fields + "Transfer-Encoding: chunked\r\n\r\n2\r\n" +
                   name.substr(0, 2) + "\r\n" + std::to_string(name.size() - 2) + "\r\n" +
                   name.substr(2) + "\r\n0\r\n\r\n";
      }
    }
  }
  static constexpr int kRequests = 3;
  std::string bytes;
  std::vector<std::string> answers;
};

enum class Moment { Moved, Reloading, MovedTwice };

class HandoffSplitTest : public ::testing::TestWithParam<Moment> {};

TEST_P(HandoffSplitTest, ABurstCutAtAnyByteIsAnsweredInOrderAndOnce) {
  SupervisorRun run(with_handoff());
  const std::string address = run.wait_ready().address();
  struct Cut {
    std::unique_ptr<RawClient> client;
    Burst burst;
    std::size_t at;
  };
  std::vector<Cut> cuts;
  for (std::size_t at = 0;; ++at) {
    Burst burst("c" + std::to_string(1000 + at));
    if (at > burst.bytes.size()) break;
    cuts.push_back({std::make_unique<RawClient>(address), std::move(burst), at});
    cuts.back().client->send(std::string_view(cuts.back().burst.bytes).substr(0, at));
  }
  RawClient(address).get("/", "X-Request-ID: last\r\n");  // all are accepted
  const int reloads = GetParam() == Moment::MovedTwice ? 2 : 1;
  std::size_t from = 0;
  for (int i = 0; i < reloads; ++i) {
    from = run.mark();
    run.signal(SIGHUP);
    if (GetParam() == Moment::Reloading) break;
    run.wait("reload_done", from);
    // Those within a body stay until it is there; the others are gone when the sockets are.
    const pid_t old = run.worker_pid(i + 1);
    const std::size_t heads = [&] {
      std::size_t within = 0;
      for (const Cut& cut : cuts) {
        // Between the end of a head and the end of its body.
        const std::string_view sent = std::string_view(cut.burst.bytes).substr(0, cut.at);
        const std::size_t begun = sent.rfind("POST ");
        if (begun == sent.npos) continue;
        const std::size_t head = sent.find("\r\n\r\n", begun);
        if (head == sent.npos || sent.find("GET ", begun) != sent.npos) continue;
        const std::string_view request = sent.substr(begun);
        const bool chunked = request.find("chunked") != request.npos;
        const bool whole =
            chunked ? sent.find("0\r\n\r\n", head + 4) != sent.npos : sent.size() >= head + 4 + 7;
        within += whole ? 0 : 1;
      }
      return within;
    }();
    EXPECT_TRUE(eventually([&] {
      return !is_alive(old) || sockets_of(old) <= static_cast<int>(i == 0 ? heads : 0) + 2;
    })) << sockets_of(old)
        << " sockets, " << heads << " within a body";
  }
  for (Cut& cut : cuts) cut.client->send(std::string_view(cut.burst.bytes).substr(cut.at));
  for (Cut& cut : cuts) {
    for (const std::string& answer : cut.burst.answers) {
      const Response response = cut.client->read_response();
      ASSERT_EQ(response.body, answer) << "cut at " << cut.at;
      ASSERT_FALSE(response.says_close()) << "cut at " << cut.at;
    }
  }
  run.wait("reload_done", from);
  wait_all_moved(run);
  for (Cut& cut : cuts) {
    EXPECT_EQ(cut.client->get("/").generation(), reloads + 1) << "cut at " << cut.at;
  }
  expect_clean_stop(run);
  const AccessLog log = run.log();
  expect_stories_hold(log);
  EXPECT_EQ(log.size(), cuts.size() * (Burst::kRequests + 1) + 1);
  EXPECT_EQ(log.count("completion", "ok"), log.size());
  EXPECT_TRUE(log.duplicates().empty());
}
INSTANTIATE_TEST_SUITE_P(Moments, HandoffSplitTest,
                         ::testing::Values(Moment::Moved, Moment::Reloading, Moment::MovedTwice));

// Clients that always have requests on their way, over one reload after the other. No more than the
// socket buffers hold: else the first generation would have answered them all before its reload.
TEST(HandoffStreamTest, AnEndlessPipelineIsAnsweredInOrderThroughEveryReload) {
  const int reloads = rounds("HOLDFAST_TEST_RELOADS", 8);
  constexpr int kPerReload = 1000;
  constexpr int kAhead = 100;
  constexpr std::size_t kClients = 4;
  SupervisorRun run(with_handoff({.workers = "2"}));
  const std::string address = run.wait_ready().address();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (std::size_t c = 0; c < kClients; ++c)
    clients.push_back(std::make_unique<RawClient>(address));
  std::vector<std::set<int>> generations(kClients);
  const int requests = kPerReload * reloads;
  int sent = 0;
  for (int i = 0; i < requests; ++i) {
    for (; sent < std::min(requests, i + kAhead); sent += kAhead / 2) {
      for (std::size_t c = 0; c < kClients; ++c) {
        std::string burst;
        for (int n = sent; n < sent + kAhead / 2; ++n)
          burst += post_request("/echo", std::to_string(c) + "-" + std::to_string(n));
        clients[c]->send(burst);
      }
    }
    if (i % kPerReload == kPerReload / 2) run.signal(SIGHUP);
    for (std::size_t c = 0; c < kClients; ++c) {
      const Response response = clients[c]->read_response();
      ASSERT_EQ(response.body, std::to_string(c) + "-" + std::to_string(i));
      ASSERT_FALSE(response.says_close());
      generations[c].insert(response.generation());
    }
  }
  for (const auto& seen : generations)
    EXPECT_GT(static_cast<int>(seen.size()), reloads / 2) << "hardly a reload was seen";
  expect_clean_stop(run);
  const AccessLog log = run.log();
  expect_stories_hold(log);
  EXPECT_EQ(log.size(), static_cast<std::size_t>(requests) * kClients);
}

// More than an offer carries: the worker that has read it answers first.
TEST(HandoffStreamTest, AHundredKilobytesOfPipelinedRequestsBehindASlowOneAreAllAnswered) {
  SupervisorRun run(with_handoff());
  RawClient client(run.wait_ready().address());
  const std::string pad = "X-Pad: " + std::string(900, 'p') + "\r\n";
  std::string burst = get_request("/?duration=500ms");
  for (int i = 0; i < 100; ++i)
    burst += get_request("/whoami", pad + "X-Request-ID: p-" + std::to_string(i) + "\r\n");
  client.get("/");
  client.send(burst);
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(client.read_response().body, "Hello, world!");
  for (int i = 0; i < 100; ++i) ASSERT_EQ(client.read_response().status, 200) << i;
  wait_all_moved(run);
  EXPECT_EQ(client.get("/").generation(), 2);
  expect_clean_stop(run);
  const AccessLog log = run.log();
  expect_stories_hold(log);
  EXPECT_TRUE(log.duplicates().empty());
  EXPECT_EQ(log.size(), 103U);
}

}  // namespace
}  // namespace holdfast::testing
