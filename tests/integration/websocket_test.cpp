// The demo's /ws, over a connection that its handler took, before two clients that are not ours:
// Boost.Beast's and Node's. A client is never reset: it is told to go away (1001) and may answer.
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/integration/streams_fixture.hpp"
#include "tests/support/websocket_client.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class WebSocketTest : public ::testing::Test {
 protected:
  explicit WebSocketTest(std::vector<std::string> flags = {}, const std::string& grace = "300ms")
      : run({.flags = std::move(flags), .command = {demo_path(), "--ws-grace", grace}}) {}

  void expect_lines(std::size_t wanted) {
    const AccessLog log = run.log();
    EXPECT_TRUE(log.bad().empty());
    EXPECT_EQ(log.count("url", "/ws"), wanted);
    for (const auto& line : log.lines()) {
      if (line.value("url", "") != "/ws") continue;
      EXPECT_EQ(line.value("completion", ""), "hijacked") << line;
      EXPECT_EQ(line.value("http_status_code", 0), 101) << line;
    }
  }
  SupervisorRun run;
  std::string address = run.wait_ready().address();
};

TEST_F(WebSocketTest, MessagesOfEverySizeAreEchoed) {
  WebSocketClient client(address);
  for (const std::size_t size : {0, 1, 125, 126, 65'535, 65'536, 1'000'000, 8'000'000}) {
    const std::string message = random_bytes(size);
    client.send(message, true);
    EXPECT_TRUE(client.read() == message) << size;
    EXPECT_TRUE(client.got_binary());
  }
  client.send("text");
  EXPECT_EQ(client.read(), "text");
  EXPECT_FALSE(client.got_binary());
  client.close();
  expect_clean_stop(run);
  expect_lines(1);
}

TEST_F(WebSocketTest, FragmentsAreOneMessage) {
  WebSocketClient client(address);
  client.send_fragments({"one ", std::string(100'000, '.'), "", " three"});
  EXPECT_EQ(client.read(), "one " + std::string(100'000, '.') + " three");
}

TEST_F(WebSocketTest, MessagesThatAreSentAheadAreEchoedInOrder) {
  WebSocketClient client(address);
  for (int i = 0; i < 200; ++i) client.send(std::to_string(i));
  for (int i = 0; i < 200; ++i) ASSERT_EQ(client.read(), std::to_string(i));
}

TEST_F(WebSocketTest, APingIsAnswered) {
  WebSocketClient client(address);
  EXPECT_EQ(client.ping("are you there"), "are you there");
}

TEST_F(WebSocketTest, AnOrdinaryRequestIsToldToUpgrade) {
  const Response response = RawClient(address).get("/ws");
  EXPECT_EQ(response.status, 426);
  EXPECT_EQ(response.header("upgrade"), "websocket");
}

TEST_F(WebSocketTest, AtAReloadItGoesOnForItsGraceAndIsToldToGoAway) {
  WebSocketClient old(address);
  ASSERT_EQ(run.reload().name(), "reload_done");
  const TimePoint told = Clock::now();
  old.send("in flight");
  EXPECT_EQ(old.read(), "in flight");
  EXPECT_EQ(run.count("drained"), 0u);
  EXPECT_EQ(old.wait_close(), 1001);
  EXPECT_GT(Clock::now() - told, 100ms) << "it has a grace";
  EXPECT_EQ(run.wait("drained").number("cut"), 0);
  WebSocketClient fresh(address);
  fresh.send("again");
  EXPECT_EQ(fresh.read(), "again");
  fresh.close();
  expect_clean_stop(run);
  expect_lines(2);
}

TEST_F(WebSocketTest, AtAStopItIsToldToGoAwayToo) {
  std::vector<std::unique_ptr<WebSocketClient>> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(std::make_unique<WebSocketClient>(address));
  run.signal(SIGTERM);
  for (const auto& client : clients) EXPECT_EQ(client->wait_close(), 1001);
  EXPECT_EQ(run.wait_exit(), exited(0));  // a second TERM would be an order to stop at once
  expect_clean_stop(run);
  expect_lines(20);
}

TEST_F(WebSocketTest, AClientThatVanishesIsOneLine) {
  { const WebSocketClient client(address); }
  AccessLog::wait(run.access_log_path(), [](const AccessLog& log) { return log.size() == 1; });
  expect_clean_stop(run);
  expect_lines(1);
}

class ShortStopTest : public WebSocketTest {
 protected:
  ShortStopTest() : WebSocketTest({"--stop-timeout", "1s"}, "100ms") {}
};

TEST_F(ShortStopTest, AClientThatNeverAnswersIsCutAtTheDeadline) {
  RawClient client(address);
  client.send(get_request("/ws",
                          "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                          "Sec-WebSocket-Version: 13\r\n"
                          "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"));
  EXPECT_EQ(client.read_head().status, 101);
  run.signal(SIGTERM);
  EXPECT_EQ(client.read_bytes(1), "\x88") << "a close frame (RFC 6455, 5.2)";
  run.wait_exit();
  EXPECT_EQ(run.leftovers(), "");
  const AccessLog log = run.log();
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(log.lines()[0].value("completion", ""), "cut");
  EXPECT_EQ(run.all("stopped").at(0).number("cut"), 1);
}

TEST_F(WebSocketTest, NodeIsEchoedAndToldToGoAway) {
  const auto node = run_command({"sh", "-c", "node --experimental-websocket -e 0"});
  if (node.status != exited(0)) GTEST_SKIP() << "no node with a WebSocket of its own";
  int out[2];
  ASSERT_EQ(::pipe2(out, O_CLOEXEC), 0);
  UniqueFd ours(out[0]);
  UniqueFd theirs(out[1]);
  ChildProcess client({.argv = {"node", "--no-warnings", "--experimental-websocket", NODE_CLIENT,
                                "ws://" + address + "/ws"},
                       .out = theirs.get()});
  theirs.reset();
  EventReader said(std::move(ours));
  ASSERT_TRUE(eventually([&] { return !said.text().empty(); }, kCap));
  EXPECT_EQ(said.text().at(0), "open");
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(client.wait_exit(), exited(0));
  EXPECT_TRUE(said.wait_end());
  ASSERT_EQ(said.text().size(), 2u);
  EXPECT_EQ(said.text().at(1), "closed 1001 true the server restarts");
  expect_clean_stop(run);
  expect_lines(1);
}

}  // namespace
}  // namespace holdfast::testing
