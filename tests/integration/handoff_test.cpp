// --idle handoff, one connection at a time: each test holds a connection in one state while a
// reload passes over it, and the connection goes on in the new generation.
#include <chrono>
#include <csignal>

#include "tests/integration/handoff_fixture.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

void expect_served_by(const Response& response, pid_t pid) {
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.pid(), pid);
  EXPECT_FALSE(response.says_close());
}

class HandoffTest : public HandoffRun {};

TEST_F(HandoffTest, AnIdleConnectionGoesOnInTheNextGeneration) {
  RawClient client(address);
  client.get("/");
  client.get("/");
  reload();
  wait_all_moved(run);
  expect_served_by(client.get("/"), run.worker_pid(2));
  expect_served_by(client.get("/"), run.worker_pid(2));
  expect_clean_stop(run);
  const AccessLog log = run.log();
  const auto all = stories(log);
  ASSERT_EQ(all.size(), 1U);
  const Story& story = all.begin()->second;
  ASSERT_EQ(story.size(), 4U);
  EXPECT_EQ(story[2].value("handed_off_from", 0), 1);
  EXPECT_EQ(story[3].value("handed_off_from", 0), 0) << "once is enough";
  const auto drained = run.wait("drained");
  EXPECT_EQ(drained.number("handed_off"), 1);
  EXPECT_EQ(drained.number("closed_idle"), 0);
  const auto done = run.wait("handoff_done");
  EXPECT_EQ(done.number("taken"), 1);
  EXPECT_EQ(done.number("returned"), 0);
}

TEST_F(HandoffTest, AConnectionOutlivesManyReloadsInARow) {
  const int reloads = rounds("HOLDFAST_TEST_RELOADS", 10);
  RawClient speaks(address);
  RawClient silent(address);
  speaks.get("/");
  silent.get("/");
  for (int i = 0; i < reloads; ++i) {
    reload();
    wait_all_moved(run);
    expect_served_by(speaks.post("/echo", "not to be sent twice"), run.worker_pid(i + 2));
  }
  expect_served_by(silent.get("/"), run.worker_pid(reloads + 1));
}

TEST_F(HandoffTest, AConnectionThatHasSentNothingMoves) {
  RawClient client(address);
  make_sure_all_are_accepted();
  reload();
  wait_all_moved(run);
  expect_served_by(client.get("/"), run.worker_pid(2));
}

TEST_F(HandoffTest, AHalfSentHeadIsAnsweredByTheNextGeneration) {
  RawClient first(address);
  RawClient second(address);
  second.get("/");
  first.send("GET / HTTP/1.1\r\nHo");
  second.send("G");
  make_sure_all_are_accepted();
  reload();
  wait_all_moved(run);
  reload();
  wait_all_moved(run);
  first.send("st: test\r\n\r\n");
  second.send("ET / HTTP/1.1\r\nHost: test\r\n\r\n");
  expect_served_by(first.read_response(), run.worker_pid(3));
  expect_served_by(second.read_response(), run.worker_pid(3));
}

TEST_F(HandoffTest, ARequestInFlightIsAnsweredWhereItBeganAndThenTheConnectionMoves) {
  RawClient client(address);
  client.get("/");
  client.send(get_request("/?duration=1s"));
  reload();
  expect_served_by(client.read_response(), old_pid);
  wait_all_moved(run);
  expect_served_by(client.get("/"), run.worker_pid(2));
}

TEST_F(HandoffTest, ABodyOnItsWayIsReadWhereItBeganAndThenTheConnectionMoves) {
  const std::string half(64 << 10, 'x');
  RawClient upload(address);  // read by the handler
  upload.send("POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: " +
              std::to_string(2 * half.size()) + "\r\n\r\n" + half);
  RawClient echo(address);  // read before the handler is called
  echo.send("POST /echo HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nab");
  make_sure_all_are_accepted();
  reload();
  upload.send(half);
  echo.send("cd\r\n0\r\n\r\n");
  const Response counted = upload.read_response();
  expect_served_by(counted, old_pid);
  EXPECT_EQ(nlohmann::json::parse(counted.body).at("bytes"), 2 * half.size());
  const Response echoed = echo.read_response();
  expect_served_by(echoed, old_pid);
  EXPECT_EQ(echoed.body, "abcd");
  wait_all_moved(run);
  expect_served_by(upload.get("/"), run.worker_pid(2));
  expect_served_by(echo.get("/"), run.worker_pid(2));
}

TEST_F(HandoffTest, AStreamedResponseIsSentWholeAndThenTheConnectionMoves) {
  RawClient client(address);
  client.send(get_request("/stream?chunks=20&interval=50ms"));
  Response response = client.read_head();
  reload();
  client.read_body(response);
  EXPECT_EQ(response.chunks, 20);
  expect_served_by(response, old_pid);
  wait_all_moved(run);
  expect_served_by(client.get("/"), run.worker_pid(2));
}

TEST_F(HandoffTest, AnHttp10ConnectionThatIsKeptAliveMoves) {
  const std::string request = "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
  RawClient client(address);
  EXPECT_EQ(client.send(request).read_response().header("connection"), "keep-alive");
  reload();
  wait_all_moved(run);
  const Response response = client.send(request).read_response();
  expect_served_by(response, run.worker_pid(2));
  EXPECT_EQ(response.header("connection"), "keep-alive");
}

TEST_F(HandoffTest, AClientThatAsksForACloseGetsIt) {
  RawClient client(address);
  client.get("/");
  reload();
  wait_all_moved(run);
  const Response response = client.get("/", "Connection: close\r\n");
  EXPECT_EQ(response.pid(), run.worker_pid(2));
  EXPECT_TRUE(response.says_close());
  EXPECT_EQ(client.wait_end(), End::Closed) << "a copy of the descriptor is held somewhere";
}

TEST_F(HandoffTest, AClientThatHasLeftIsForgotten) {
  auto client = std::make_unique<RawClient>(address);
  client->get("/");
  auto crashed = std::make_unique<RawClient>(address);
  crashed->get("/");
  ::kill(old_pid, SIGSTOP);  // it learns of the ends and of the reload at once
  client.reset();
  crashed->reset();
  const std::size_t from = run.mark();
  run.signal(SIGHUP);
  run.wait("reload_done", from);
  ::kill(old_pid, SIGCONT);
  wait_all_moved(run);
  make_sure_all_are_accepted();
  // Its channel, its listener and perhaps the connection of a moment ago.
  EXPECT_TRUE(eventually([&] { return sockets_of(run.worker_pid(2)) <= 2; }));
}

TEST_F(HandoffTest, ThirtyKilobytesOfARequestMoveToo) {
  RawClient client(address);
  RawClient head(address);
  const std::string field = "X-Long: " + std::string(12'000, 'x') + "\r\n";
  head.send("GET / HTTP/1.1\r\nHost: test\r\n" + field);
  make_sure_all_are_accepted();
  reload();
  wait_all_moved(run);
  head.send("\r\n");
  expect_served_by(head.read_response(), run.worker_pid(2));
  EXPECT_EQ(client.get("/").status, 200);
}

TEST_F(HandoffTest, HupInTheMiddleOfAHandoffTakesThemAllToTheNewestGeneration) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 400; ++i) {
    clients.push_back(std::make_unique<RawClient>(address));
    clients.back()->get("/");
  }
  std::size_t from = run.mark();
  for (int i = 0; i < 4; ++i) {
    run.signal(SIGHUP);
    from = run.wait("reload_done", from).index + 1;
  }
  wait_all_moved(run);
  for (auto& client : clients) expect_served_by(client->get("/"), run.worker_pid(5));
}

class HandoffUnixTest : public HandoffRun {
 protected:
  HandoffUnixTest()
      : HandoffRun({.listen = {"unix:@handoff-test-" + std::to_string(::getpid())}}) {}
};

TEST_F(HandoffUnixTest, ConnectionsOfAUnixListenerMove) {
  RawClient client(address);
  client.get("/");
  RawClient silent(address);
  make_sure_all_are_accepted();
  reload();
  wait_all_moved(run);
  expect_served_by(client.get("/"), run.worker_pid(2));
  expect_served_by(silent.get("/"), run.worker_pid(2));
  expect_clean_stop(run);
  EXPECT_EQ(run.log().count("remote_ipaddr", "unix:"), run.log().size());
}

class HandoffListenersTest : public HandoffRun {
 protected:
  HandoffListenersTest()
      : HandoffRun({.listen = {"127.0.0.1:0", "admin=127.0.0.1:0", "six=[::1]:0"}}) {}
};

TEST_F(HandoffListenersTest, AConnectionKeepsItsListenerAndItsPeer) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (std::size_t i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<RawClient>(run.address(i)));
    clients.back()->get("/");
  }
  reload();
  wait_all_moved(run);
  for (auto& client : clients) expect_served_by(client->get("/"), run.worker_pid(2));
  expect_clean_stop(run);
  const AccessLog log = run.log();
  for (const auto& [id, story] : stories(log)) {
    ASSERT_EQ(story.size(), 2U);
    for (const char* key : {"listener", "remote_ipaddr", "remote_port"})
      EXPECT_EQ(story[0].value(key, nlohmann::json()), story[1].value(key, nlohmann::json()))
          << key;
  }
  for (const char* name : {"http", "admin", "six"}) EXPECT_EQ(log.count("listener", name), 2U);
}

// A deadline is as far away after the reload as it was before.
class HandoffDeadlineTest : public HandoffRun {
 protected:
  static constexpr Millis kTime{4'000};
  static constexpr Millis kWait{2'500};
  HandoffDeadlineTest()
      : HandoffRun(
            {.command = {demo_path(), "--keep-alive-timeout", "4s", "--header-timeout", "4s"}}) {}
  // Half of the time passes here, the other half there.
  void expect_ends_in_time(RawClient& client, TimePoint began) {
    ASSERT_EQ(client.wait_end(kWait), End::StillOpen);
    const auto asked = Clock::now() - began;
    reload();
    wait_all_moved(run);
    end = client.wait_end();
    const auto took = Clock::now() - began;
    EXPECT_GE(took, kTime - 500ms);
    EXPECT_LT(took, asked + kTime) << "it began anew";
  }
  End end = End::StillOpen;
};

TEST_F(HandoffDeadlineTest, TheKeepAliveTimeoutGoesOn) {
  RawClient client(address);
  client.get("/");
  expect_ends_in_time(client, Clock::now());
  EXPECT_EQ(end, End::Closed);
}

TEST_F(HandoffDeadlineTest, AConnectionThatSentNothingHasTheRestOfItsTime) {
  const TimePoint began = Clock::now();
  RawClient client(address);
  expect_ends_in_time(client, began);
  EXPECT_EQ(end, End::Closed);
}

// Not by the log's completion: that one is a timeout.
TEST(HandoffTimeoutTest, TheTimeOfAHalfSentHeadGoesOn) {
  SupervisorRun run(with_handoff({.command = {demo_path(), "--header-timeout", "4s"}}));
  RawClient client(run.wait_ready().address());
  client.get("/");
  const TimePoint began = Clock::now();
  client.send("GET / HTTP");
  ASSERT_EQ(client.wait_end(2500ms), End::StillOpen);
  const auto asked = Clock::now() - began;
  ASSERT_EQ(run.reload().name(), "reload_done");
  wait_all_moved(run);
  EXPECT_EQ(client.read_response().status, 408);
  const auto took = Clock::now() - began;
  EXPECT_GE(took, 3500ms);
  EXPECT_LT(took, asked + 4s) << "it began anew";
  expect_clean_stop(run);
  const AccessLog log = run.log();
  expect_stories_hold(log);
  const auto& line = log.only("completion", "timeout");
  EXPECT_EQ(line.value("generation", 0), 2);
  EXPECT_GE(line.value("response_time", 0.0), 3.5) << "from its first byte on";
}

TEST(HandoffSpreadTest, EveryNewWorkerGetsAnEqualShare) {
  const TempDir files;
  const auto configure = [&](int workers) {
    files.write("holdfast.json", "{\"workers\": " + std::to_string(workers) + "}");
  };
  configure(2);
  SupervisorRun run({.flags = {"--idle", "handoff"}, .workers = "2"});
  const std::string address = run.wait_ready().address();
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 300; ++i) {
    clients.push_back(std::make_unique<RawClient>(address));
    clients.back()->get("/");
  }
  // A worker more at once, and so in the next generation; it has none of the connections.
  const std::size_t from = run.mark();
  run.signal(SIGTTIN);
  run.wait("worker_accepting", from);
  ASSERT_EQ(run.reload().name(), "reload_done");
  wait_all_moved(run);
  std::map<pid_t, int> shares;
  for (auto& client : clients) {
    const Response response = client->get("/");
    EXPECT_EQ(response.generation(), 2);
    ++shares[response.pid()];
  }
  ASSERT_EQ(shares.size(), 3U);
  for (const auto& [pid, share] : shares) EXPECT_NEAR(share, 100, 4) << pid;
  expect_clean_stop(run);
  expect_stories_hold(run.log());
}

TEST(HandoffStopTest, TermInTheMiddleOfAHandoffCutsNothing) {
  const int stops = rounds("HOLDFAST_TEST_STOPS", 3);
  for (int i = 0; i < stops; ++i) {
    SupervisorRun run(with_handoff({.workers = "2"}));
    const std::string address = run.wait_ready().address();
    std::vector<std::unique_ptr<RawClient>> idle;
    for (int n = 0; n < 300; ++n) {
      idle.push_back(std::make_unique<RawClient>(address));
      idle.back()->get("/");
    }
    RawClient slow(address);
    slow.send(get_request("/?duration=1s"));
    RawClient half(address);
    half.send("GET / HT");
    LoadClient load(brisk_load(address));
    load.start();
    ASSERT_TRUE(load.wait_for_requests(500));
    const std::size_t from = run.mark();
    run.signal(SIGHUP);
    // At the first moment of a handoff, and in the midst of the others'.
    run.wait(i % 2 == 0 ? "reload_done" : "handoff_done", from);
    load.expect_stop();
    run.signal(SIGTERM);
    half.send("TP/1.1\r\nHost: test\r\n\r\n");
    EXPECT_EQ(half.read_response().body, "Hello, world!");
    EXPECT_EQ(slow.read_response().body, "Hello, world!");
    for (auto& client : idle) EXPECT_EQ(client->wait_end(), End::Closed);
    EXPECT_EQ(run.wait_exit(scaled(20s)), exited(0)) << run.events().dump();
    EXPECT_EQ(run.leftovers(), "");
    const Event stopped = run.wait("stopped");
    EXPECT_EQ(stopped.number("cut"), 0);
    EXPECT_EQ(stopped.number("killed"), 0);
    expect_no_failure(load.finish());
    expect_stories_hold(run.log());
    ASSERT_FALSE(::testing::Test::HasFailure()) << "at stop " << i + 1;
  }
}

TEST(HandoffLoadTest, PostsOnKeptAliveConnectionsNoticeNoReload) {
  const int reloads = rounds("HOLDFAST_TEST_RELOADS", 6);
  SupervisorRun run(with_handoff({.workers = "2"}));
  LoadOptions options;
  options.target = run.wait_ready().address();
  const auto group = [&](const char* name, int connections, DurationRange think, int posts) {
    GroupOptions wanted;
    wanted.name = name;
    wanted.connections = connections;
    wanted.think = think;
    wanted.post_percent = posts;
    wanted.ids = true;
    options.groups.push_back(wanted);
  };
  group("posts", 64, {0ms, 50ms}, 100);
  group("busy", 8, {0ms, 0ms}, 50);
  group("lazy", 64, {200ms, 600ms}, 50);
  LoadClient load(options);
  load.start();
  ASSERT_TRUE(load.wait_for_requests(500));
  for (int i = 0; i < reloads; ++i) {
    const Event verdict = run.reload();
    ASSERT_EQ(verdict.name(), "reload_done") << verdict.fields;
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 300));
  }
  const LoadResult result = load.finish();
  wait_all_moved(run);
  expect_no_failure(result);
  for (const auto& [name, had] : result.groups) {
    EXPECT_EQ(had.connects, name == "busy" ? 8U : 64U) << name;
    EXPECT_EQ(had.idle_closed + had.idle_reset + had.connection_close, 0U) << name;
  }
  EXPECT_EQ(result.generations.size(), static_cast<std::size_t>(reloads) + 1);
  expect_clean_stop(run);
  expect_all_logged(run.log(), result);
  expect_stories_hold(run.log());
  std::printf("%d reloads, %lu requests, 0 connections closed\n", reloads, result.total().ok);
}

}  // namespace
}  // namespace holdfast::testing
