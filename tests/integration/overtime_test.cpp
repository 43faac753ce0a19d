// stop_timeout_max, by a ManualClock: clients that move at a word cross stop_timeout, one that does
// not is cut there.
#include <array>
#include <functional>
#include <linux/tcp.h>
#include <memory>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/integration/clock_fixture.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;
using worker::ConnectionState;
using worker::Done;
using worker::PlainHandler;
using worker::Request;
using worker::ResponseWriter;
using worker::Server;
using worker::StopResult;
using worker::StreamHandler;

class OvertimeTest : public ClockTest {
 protected:
  OvertimeTest() {
    options.stop_timeout_max = 600s;
    options.body_timeout = 3600s;
  }
  // To the moment at which stop_timeout strikes; `move` acts in the last seconds before it.
  void reach_stop_timeout(Server& server, const std::function<void()>& move) {
    server.request_stop();
    clock.advance(58s);
    move();
    clock.advance(2s - 1ms);
    EXPECT_FALSE(states.wait(ConnectionState::Closed, 1, 0ms));
    clock.advance(1ms);
  }
};

// What the kernel tells of the server's end of a connection. It moves bytes by real time: with a
// delayed ACK, or when ksoftirqd has its turn.
class ServersEnd {
 public:
  explicit ServersEnd(const RawClient& client) {
    for (const auto& [fd, target] : open_fds(::getpid())) {
      sockaddr_in peer{};
      socklen_t size = sizeof peer;
      if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) == 0 &&
          ntohs(peer.sin_port) == client.local_port())
        fd_ = fd;
    }
  }
  // The client's kernel takes no more, and has said so of all that it has.
  bool wait_full() const {
    return eventually([this] { return info().tcpi_unacked == 0 && info().tcpi_notsent_bytes > 0; },
                      kCap);
  }
  std::uint64_t taken() const { return info().tcpi_bytes_acked; }
  // True too when all has been sent.
  bool wait_taken(std::uint64_t more_than) const {
    return eventually([&] { return taken() > more_than || info().tcpi_notsent_bytes == 0; }, kCap);
  }

 private:
  tcp_info info() const {
    tcp_info info{};
    socklen_t size = sizeof info;
    if (::getsockopt(fd_, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return {};  // it is closed
    return info;
  }
  int fd_ = -1;
};

TEST_F(OvertimeTest, ASlowDownloadCrossesStopTimeoutAndAStuckOneIsCutThere) {
  constexpr std::size_t kSize = 32 << 20;  // more than the kernel holds
  constexpr std::size_t kPiece = 1 << 20;
  Server server(options);
  server.handle(
      PlainHandler([](const Request&, ResponseWriter& r) { r.write(std::string(kSize, 'x')); }));
  const std::string address = serve(server);
  RawClient slow(address);
  RawClient stuck(address);
  for (RawClient* client : {&slow, &stuck}) client->send(get_request("/"));
  ASSERT_TRUE(states.wait(ConnectionState::Active, 2));
  slow.read_head();
  clock.settle();
  const ServersEnd to_slow(slow);
  for (const ServersEnd& end : {to_slow, ServersEnd(stuck)}) ASSERT_TRUE(end.wait_full());
  std::size_t got = 0;
  const auto read_piece = [&] {
    const std::uint64_t taken = to_slow.taken();
    got += slow.read_bytes(std::min(kPiece, kSize - got)).size();
    EXPECT_TRUE(to_slow.wait_taken(taken));
  };
  reach_stop_timeout(server, read_piece);
  EXPECT_TRUE(states.wait(ConnectionState::Closed, 1, 0ms));
  EXPECT_THROW(stuck.read_response(), RawClientError);
  while (got < kSize) {
    read_piece();
    clock.advance(5s);
  }
  EXPECT_EQ(slow.wait_end(), End::Closed);
  const StopResult result = server.stop();
  EXPECT_TRUE(result.killed);
  EXPECT_EQ(result.killed_connections, 1U);
  EXPECT_EQ(result.cut, 1U);
  EXPECT_EQ(result.served, 1U);
}

TEST_F(OvertimeTest, ASlowUploadCrossesStopTimeoutAndAStuckOneIsCutThere) {
  Server server(options);
  server.handle(PlainHandler([](const Request& q, ResponseWriter& r) { r.write(q.body()); }));
  const std::string address = serve(server);
  RawClient slow(address);
  RawClient stuck(address);
  for (RawClient* client : {&slow, &stuck})
    client->send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0");
  ASSERT_TRUE(states.wait(ConnectionState::Active, 2));
  reach_stop_timeout(server, [&] { slow.send("1"); });
  EXPECT_EQ(stuck.read_response().status, 503);
  for (const char* digit : {"2", "3", "4", "5", "6", "7", "8", "9"}) {
    clock.advance(5s - 1ms);
    slow.send(digit);
    clock.advance(1ms);
  }
  const Response answer = slow.read_response();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "0123456789");
  clock.advance(1s);
  EXPECT_EQ(server.stop().cut, 1U);
}

TEST_F(OvertimeTest, ATransferThatStopsMovingIsCutAtTheNextLook) {
  Server server(options);
  server.handle(PlainHandler([](const Request& q, ResponseWriter& r) { r.write(q.body()); }));
  RawClient client(serve(server));
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n0");
  ASSERT_TRUE(states.wait(ConnectionState::Active));
  reach_stop_timeout(server, [&] { client.send("1"); });
  clock.advance(5s - 1ms);
  EXPECT_TRUE(open(client));
  clock.advance(1ms);
  EXPECT_EQ(client.read_response().status, 503);
  EXPECT_EQ(server.stop().cut, 1U);
}

TEST_F(OvertimeTest, StopTimeoutMaxCutsWhatStillMoves) {
  options.stop_timeout_max = 70s;
  Server server(options);
  server.handle(PlainHandler([](const Request& q, ResponseWriter& r) { r.write(q.body()); }));
  RawClient client(serve(server));
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n0");
  ASSERT_TRUE(states.wait(ConnectionState::Active));
  reach_stop_timeout(server, [&] { client.send("1"); });
  client.send("2");
  clock.advance(5s);
  client.send("3");
  clock.advance(5s - 1ms);
  EXPECT_TRUE(open(client));
  clock.advance(1ms);
  EXPECT_EQ(client.read_response().status, 503);
  const StopResult result = server.stop();
  EXPECT_EQ(result.cut, 1U);
  EXPECT_EQ(result.killed_connections, 1U);
}

TEST_F(OvertimeTest, AHandlerWithoutBytesIsCutAtStopTimeoutAndNotWaitedFor) {
  Server server(options);
  HeldHandler held(50'000);
  server.handle(held.handler());
  RawClient client(serve(server));
  client.send(get_request("/"));
  ASSERT_TRUE(held.wait_held());
  reach_stop_timeout(server, [] {});
  EXPECT_THROW(client.read_response(), RawClientError);
  const StopResult result = server.stop();
  EXPECT_EQ(result.cut, 1U);
  EXPECT_EQ(result.handlers_left, 1U);
  EXPECT_EQ(stats.times("stop.time"), std::vector<std::chrono::nanoseconds>{60s});
}

// A stream that says what it hears.
class EchoStream {
 public:
  explicit EchoStream(worker::Hijacked stream) : stream_(std::move(stream)) { read(); }

 private:
  void read() {
    stream_.read_some(buffer_, [this](std::optional<std::size_t> n) {
      if (!n || *n == 0) return stream_.close();
      stream_.write({buffer_.data(), *n}, [this](bool sent) {
        if (sent) read();
      });
    });
  }
  worker::Hijacked stream_;
  std::array<char, 16> buffer_{};
};

TEST_F(OvertimeTest, AHijackedStreamCountsByItsBytes) {
  std::vector<std::unique_ptr<EchoStream>> streams;
  Server server(options);
  server.handle(StreamHandler([&](const Request&, ResponseWriter& response, Done done) {
    streams.push_back(std::make_unique<EchoStream>(response.hijack()));
    done(nullptr);
  }));
  const std::string address = serve(server);
  RawClient chatty(address);
  RawClient silent(address);
  for (RawClient* client : {&chatty, &silent}) {
    client->send(get_request("/"));
    client->send("hello");
    EXPECT_EQ(client->read_bytes(5), "hello");
  }
  reach_stop_timeout(server, [&] { chatty.send("1"); });
  EXPECT_NE(silent.wait_end(), End::StillOpen);
  EXPECT_EQ(chatty.read_bytes(1), "1");
  chatty.send("2");
  clock.advance(5s);
  EXPECT_EQ(chatty.read_bytes(1), "2");
  chatty.half_close();
  clock.advance(5s);
  EXPECT_EQ(server.stop().cut, 1U);
}

}  // namespace
}  // namespace holdfast::testing
