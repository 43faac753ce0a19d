// TLS connections that cross a reload in every state: shaking hands, idle, in a request, hijacked.
#include <chrono>
#include <sys/socket.h>

#include <gtest/gtest.h>

#include "tests/integration/tls_fixture.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

// Lets the test hand a client's bytes over one by one.
struct SlowWire {
  explicit SlowWire(const std::string& address) : raw(address) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
      throw std::runtime_error("socketpair");
    client_end = UniqueFd(ends[0]);
    wire_end = UniqueFd(ends[1]);
    tls = std::make_unique<TlsClient>(context, client_end.get());
  }
  // At most `most` bytes towards the server.
  void pass(std::size_t most) {
    std::string bytes(most, '\0');
    const ssize_t n = ::recv(wire_end.get(), bytes.data(), most, MSG_DONTWAIT);
    if (n > 0) raw.send(std::string_view(bytes).substr(0, static_cast<std::size_t>(n)));
  }
  // What has come from the server.
  bool take() {
    if (!wait_readable(raw.fd(), kCap)) return false;
    std::array<char, 65536> bytes{};
    const ssize_t n = ::recv(raw.fd(), bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (n <= 0) return false;
    return ::send(wire_end.get(), bytes.data(), static_cast<std::size_t>(n), MSG_NOSIGNAL) == n;
  }
  void shake() {
    while (tls->handshake() == TlsClient::Step::Waiting) {
      pass(65536);
      if (!take()) throw std::runtime_error("no handshake");
    }
    pass(65536);
  }
  void send(std::string_view bytes) {
    if (tls->send(bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
      throw std::runtime_error("cannot send");
  }
  std::string read_until(const std::string& what) {
    std::array<char, 4096> piece{};
    std::string text;
    bool emptied = false;
    while (text.find(what) == std::string::npos && take()) {
      for (ssize_t n = 0; (n = tls->receive(piece, emptied)) > 0;)
        text.append(piece.data(), static_cast<std::size_t>(n));
    }
    return text;
  }
  RawClient raw;
  UniqueFd client_end;
  UniqueFd wire_end;
  TlsClientContext context;
  std::unique_ptr<TlsClient> tls;
};

class TlsDrainTest : public ::testing::Test {
 protected:
  explicit TlsDrainTest(std::vector<std::string> flags = {"--new-grace", "10s", "--idle-grace",
                                                          "10s"})
      : run({.flags = std::move(flags),
             .command = demo_with(certificate, {"--files", files.file("")})}) {
    run.wait_ready();
  }
  static void expect_answer(OwnClient& client, int generation, bool close) {
    expect_answer(client.read_until("Hello, world!"), generation, close);
  }
  static void expect_answer(const std::string& text, int generation, bool close) {
    EXPECT_TRUE(text.starts_with("HTTP/1.1 200 ")) << text;
    EXPECT_NE(text.find("X-Generation: " + std::to_string(generation)), std::string::npos) << text;
    EXPECT_EQ(text.find("Connection: close") != std::string::npos, close) << text;
  }
  std::string curl_target(const std::string& path) {
    return "https://localhost:" + port_of(run.address()) + path;
  }
  TempDir files;
  Certificate certificate{files, "server"};
  SupervisorRun run;
};

TEST_F(TlsDrainTest, AHandshakeThatCrossesAReloadIsFinishedAndServed) {
  SlowWire client(run.address());
  ASSERT_EQ(client.tls->handshake(), TlsClient::Step::Waiting);
  client.pass(65536);
  ASSERT_TRUE(wait_readable(client.raw.fd(), kCap));  // the old worker has answered
  ASSERT_EQ(run.reload().name(), "reload_done");
  client.shake();
  client.send(get_request("/"));
  client.pass(65536);
  expect_answer(client.read_until("Hello, world!"), 1, true);
  expect_clean_stop(run);
}

TEST_F(TlsDrainTest, AnIdleConnectionIsServedOnceMore) {
  OwnClient client(run.address());
  ASSERT_EQ(client.shake(), TlsClient::Step::Complete);
  client.send(get_request("/"));
  expect_answer(client, 1, false);
  ASSERT_EQ(run.reload().name(), "reload_done");
  client.send(get_request("/"));
  expect_answer(client, 1, true);
  EXPECT_EQ(client.wait_end(), Idle::Closed);
  expect_clean_stop(run);
}

// RFC 9112, 9.3.2: what is behind a response that says close is lost, so it must not say it.
TEST_F(TlsDrainTest, ARequestThatWaitsBehindAnotherIsAnsweredToo) {
  OwnClient client(run.address());
  ASSERT_EQ(client.shake(), TlsClient::Step::Complete);
  client.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n1");
  ASSERT_EQ(run.reload().name(), "reload_done");
  client.send("2" + get_request("/"));
  expect_answer(client.read_until("{\"bytes\":2}\n"), 1, false);
  expect_answer(client, 1, true);
  EXPECT_EQ(client.wait_end(), Idle::Closed);
  expect_clean_stop(run);
}

TEST_F(TlsDrainTest, AFileThatCrossesAReloadIsWhole) {
  std::string text(3'000'000, 'f');
  for (std::size_t i = 0; i < text.size(); i += 11) text[i] = static_cast<char>('a' + i % 26);
  files.write("large.bin", text);
  ChildProcess download(
      {.argv = {"curl", "-sS", "--fail", "--limit-rate", "3M", "--cacert", certificate.certificate,
                "-o", files.file("out"), curl_target("/files/large.bin")},
       .environment = {}});
  ASSERT_TRUE(eventually([&] { return !read_text(files.file("out")).empty(); }));
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(download.wait_exit(), exited(0));
  EXPECT_TRUE(read_text(files.file("out")) == text);
  expect_clean_stop(run);
}

TEST_F(TlsDrainTest, ServerSentEventsEndCleanly) {
  ChildProcess events({.argv = {"curl", "-sS", "-N", "--fail", "--cacert", certificate.certificate,
                                "-o", files.file("out"), curl_target("/events")},
                       .environment = {}});
  ASSERT_TRUE(eventually([&] { return !read_text(files.file("out")).empty(); }));
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(events.wait_exit(), exited(0));
  expect_clean_stop(run);
}

TEST_F(TlsDrainTest, AWebSocketEchoesAndIsClosedWith1001) {
  OwnClient client(run.address());
  ASSERT_EQ(client.shake(), TlsClient::Step::Complete);
  client.send(
      get_request("/ws",
                  "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"));
  const std::string head = client.read_until("\r\n\r\n");
  EXPECT_TRUE(head.starts_with("HTTP/1.1 101 ")) << head;
  EXPECT_NE(head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos) << head;
  client.send(std::string_view("\x81\x85\0\0\0\0hello", 11));  // masked with zeros
  const std::string echo("\x81\x05hello", 7);
  EXPECT_EQ(client.read_until(echo), echo);
  ASSERT_EQ(run.reload().name(), "reload_done");
  const std::string going_away("\x03\xe9", 2);  // RFC 6455, 7.4.1
  EXPECT_NE(client.read_until(going_away).find(going_away), std::string::npos);
  client.send(std::string_view("\x88\x82\0\0\0\0\x03\xe9", 8));
  EXPECT_EQ(client.wait_end(), Idle::Closed);
  expect_clean_stop(run);
  const AccessLog log = run.log();
  const auto& line = log.only("url", "/ws");
  EXPECT_EQ(line.at("completion"), "hijacked");
  EXPECT_EQ(line.at("tls").at("version"), "TLSv1.3");
}

class TlsShortGraceTest : public TlsDrainTest {
 protected:
  TlsShortGraceTest() : TlsDrainTest({"--new-grace", "400ms", "--idle-grace", "400ms"}) {}
};

TEST_F(TlsShortGraceTest, WhoSaysNothingIsClosedWithCloseNotify) {
  OwnClient idle(run.address());
  OwnClient fresh(run.address());
  ASSERT_EQ(idle.shake(), TlsClient::Step::Complete);
  ASSERT_EQ(fresh.shake(), TlsClient::Step::Complete);
  idle.send(get_request("/"));
  expect_answer(idle, 1, false);
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(idle.wait_end(), Idle::Closed);
  EXPECT_EQ(fresh.wait_end(), Idle::Closed);
  expect_clean_stop(run);
}

// Its first bytes came in time; that they are only a part of a record is not the client's doing.
TEST_F(TlsShortGraceTest, ARequestOfWhichAPartOfARecordHasComeIsServed) {
  SlowWire client(run.address());
  client.shake();
  client.send(get_request("/"));
  client.pass(65536);
  expect_answer(client.read_until("Hello, world!"), 1, false);
  client.send(get_request("/"));
  client.pass(12);
  ASSERT_EQ(run.reload().name(), "reload_done");
  // Longer than the grace, and shorter than what the rest of a record is given behind it.
  EXPECT_EQ(client.raw.wait_end(Millis(700)), End::StillOpen);
  client.pass(65536);
  expect_answer(client.read_until("Hello, world!"), 1, true);
  expect_clean_stop(run);
}

}  // namespace
}  // namespace holdfast::testing
