// --idle handoff where only some connections can move: TLS, streams that a handler has taken, and
// workers that do not take part leave as with --idle close; plain ones beside them move.
#include <chrono>

#include "tests/integration/handoff_fixture.hpp"
#include "tests/integration/tls_fixture.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

TEST(HandoffMixedTest, TlsLeavesAsWithCloseWhilePlainMoves) {
  const TempDir files;
  const Certificate certificate(files, "own");
  SupervisorRun run(with_handoff({.listen = {"http=127.0.0.1:0", "https=127.0.0.1:0"},
                                  .command = demo_with(certificate, {"--tls-listener", "https"})}));
  run.wait_ready();
  RawClient plain(run.address(0));
  plain.get("/");
  OwnClient idle(run.address(1));
  ASSERT_EQ(idle.shake(), TlsClient::Step::Complete);
  idle.send(get_request("/"));
  idle.read_until("Hello, world!");
  OwnClient busy(run.address(1));
  ASSERT_EQ(busy.shake(), TlsClient::Step::Complete);
  busy.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1");
  RawClient unshaken(run.address(1));
  plain.get("/");
  ASSERT_EQ(run.reload().name(), "reload_done");
  busy.send("2");
  EXPECT_NE(busy.read_until("{\"bytes\":2}\n").find("Connection: close"), std::string::npos);
  EXPECT_EQ(unshaken.wait_end(), End::Closed);
  idle.in.clear();
  EXPECT_EQ(idle.read_until("nothing of the kind"), "") << "its end";
  wait_all_moved(run);
  const Response response = plain.get("/");
  EXPECT_EQ(response.generation(), 2);
  const Event drained = run.wait("drained");
  EXPECT_EQ(drained.number("handed_off"), 1);
  EXPECT_EQ(drained.number("cut"), 0);
  expect_clean_stop(run);
  expect_stories_hold(run.log());
}

TEST(HandoffMixedTest, TakenStreamsAreToldAndPlainConnectionsMove) {
  SupervisorRun run(with_handoff());
  const std::string address = run.wait_ready().address();
  RawClient plain(address);
  plain.get("/");
  RawClient socket(address);
  socket.send(get_request("/ws",
                          "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: "
                          "13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
  ASSERT_EQ(socket.read_head().status, 101);
  RawClient events(address);
  events.send(get_request("/events?interval=10s"));
  events.read_until("data: 1\n\n");
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_NE(events.read_until("event: bye").find("bye"), std::string::npos);
  EXPECT_EQ(socket.read_bytes(1), "\x88") << "a close frame";
  events.read_until("0\r\n\r\n");
  socket.send("\x88\x82\0\0\0\0\x03\xe8"s);
  wait_all_moved(run);
  EXPECT_EQ(plain.get("/").generation(), 2);
  EXPECT_EQ(events.get("/").generation(), 2) << "the stream has ended, the connection has not";
  expect_clean_stop(run);
  expect_stories_hold(run.log());
}

TEST(HandoffStateTest, WhatAServiceRemembersOfAConnectionGoesWithIt) {
  SupervisorRun run(with_handoff({.command = {STREAMS_WORKER_PATH}}));
  const std::string address = run.wait_ready().address();
  RawClient other(address);
  RawClient client(address);
  EXPECT_EQ(client.get("/memory").body, "1");
  EXPECT_EQ(client.get("/memory").body, "2");
  for (int generation = 2; generation <= 4; ++generation) {
    ASSERT_EQ(run.reload().name(), "reload_done");
    wait_all_moved(run);
    const Response response = client.get("/memory");
    EXPECT_EQ(response.body, std::to_string(generation + 1));
    EXPECT_EQ(response.generation(), generation);
  }
  EXPECT_EQ(other.get("/memory").body, "1") << "each has its own";
  expect_clean_stop(run);
}

TEST(HandoffStateTest, AConnectionWhoseStateIsNotGivenLeavesInOrder) {
  TempDir files;
  Releases releases(files);
  releases.add("stays", "STAY=1 exec '" STREAMS_WORKER_PATH "'");
  releases.flip("stays");
  SupervisorRun run(
      with_handoff({.flags = {"--idle-grace", "300ms"}, .command = {releases.command()}}));
  RawClient client(run.wait_ready().address());
  EXPECT_EQ(client.get("/memory").body, "1");
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(client.wait_end(), End::Closed);
  const Event drained = run.wait("drained");
  EXPECT_EQ(drained.number("handed_off"), 0);
  EXPECT_EQ(drained.number("closed_idle"), 1);
  expect_clean_stop(run);
}

// Either way round: the old worker does not give, or the new one does not take.
class HandoffRefusedTest : public ::testing::TestWithParam<bool> {
 protected:
  HandoffRefusedTest() {
    const std::string script = "exec '" STREAMS_WORKER_PATH "'";
    releases.add("takes_part", script);
    releases.add("does_not", "HANDOFF=0 " + script);
  }
  TempDir files;
  Releases releases{files};
};

TEST_P(HandoffRefusedTest, AWorkerThatTakesNoPartMakesIdleConnectionsCloseInOrder) {
  releases.flip(GetParam() ? "takes_part" : "does_not");
  SupervisorRun run(
      with_handoff({.flags = {"--idle-grace", "500ms"}, .command = {releases.command()}}));
  const std::string address = run.wait_ready().address();
  RawClient idle(address);
  idle.get("/");
  RawClient silent(address);
  RawClient asks(address);
  asks.get("/");
  releases.flip(GetParam() ? "does_not" : "takes_part");
  ASSERT_EQ(run.reload().name(), "reload_done");
  // Within the grace there is an answer, wherever the request is read.
  const Response response = asks.get("/");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(asks.wait_end(), End::Closed);
  EXPECT_EQ(idle.wait_end(), End::Closed);
  EXPECT_EQ(silent.get("/").status, 200) << "it is still owed its request";
  const Event drained = run.wait("drained");
  EXPECT_EQ(drained.number("handed_off"), 0);
  EXPECT_EQ(drained.number("cut"), 0);
  EXPECT_EQ(run.count("handoff_done"), 0U);
  expect_clean_stop(run);
  expect_stories_hold(run.log());
}
INSTANTIATE_TEST_SUITE_P(BothWays, HandoffRefusedTest, ::testing::Bool());

TEST(HandoffListenerGoneTest, AConnectionOfAListenerThatGotTlsLeavesAsWithClose) {
  const TempDir files;
  const Certificate certificate(files, "own");
  Releases releases(files);
  releases.add_good("plain");
  releases.add("tls", "exec \"$DEMO\" --tls-listener other --tls-cert '" + certificate.certificate +
                          "' --tls-key '" + certificate.key + "'");
  releases.flip("plain");
  SupervisorRun run(with_handoff(
      {.listen = {"127.0.0.1:0", "other=127.0.0.1:0"}, .command = {releases.command()}}));
  run.wait_ready();
  RawClient stays(run.address(0));
  stays.get("/");
  RawClient other(run.address(1));
  other.get("/");
  releases.flip("tls");
  ASSERT_EQ(run.reload().name(), "reload_done");
  const Response last = other.get("/");
  EXPECT_EQ(last.status, 200);
  EXPECT_EQ(last.generation(), 1) << "the new one would take its bytes for a handshake";
  EXPECT_EQ(other.wait_end(), End::Closed);
  wait_all_moved(run);
  EXPECT_EQ(stays.get("/").generation(), 2);
  expect_clean_stop(run);
  expect_stories_hold(run.log());
}

class HandoffProxyTest : public HandoffRun {
 protected:
  HandoffProxyTest()
      : HandoffRun(
            {.listen = {"px=127.0.0.1:0"}, .command = {demo_path(), "--proxy-protocol", "px"}}) {}
  static constexpr const char* kNamed = "PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n";
  static constexpr const char* kUnnamed = "PROXY UNKNOWN\r\n";
};

TEST_F(HandoffProxyTest, ThePeerThatAProxyNamedIsCarriedAndItsHeaderIsNotAskedForAgain) {
  const auto whom = [](RawClient& client) {
    return nlohmann::json::parse(client.get("/whoami").body).value("client", "");
  };
  RawClient named_only(address);
  named_only.send(kNamed);
  RawClient unnamed_only(address);
  unnamed_only.send(kUnnamed);
  RawClient named(address);
  named.send(kNamed);
  EXPECT_EQ(whom(named), "192.0.2.1");
  RawClient unnamed(address);
  unnamed.send(kUnnamed);
  EXPECT_EQ(whom(unnamed), "127.0.0.1");
  for (int generation = 2; generation < 4; ++generation) {
    reload();
    EXPECT_EQ(whom(named), "192.0.2.1");
    EXPECT_EQ(whom(unnamed), "127.0.0.1");
    wait_all_moved(run);
  }
  EXPECT_EQ(whom(named_only), "192.0.2.1");
  EXPECT_EQ(whom(unnamed_only), "127.0.0.1");
}

}  // namespace
}  // namespace holdfast::testing
