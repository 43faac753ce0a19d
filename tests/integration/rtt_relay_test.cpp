// The relay of scripts/bench rtt must be the network that it stands for: a race that it does not
// run would be won by everybody.
#include <chrono>
#include <memory>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "shared/io/fd_passing.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/relay_process.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class RttRelayTest : public ::testing::Test {
 protected:
  // Long, so that what is still on the wire can be told from what has come.
  const Millis rtt = scaled(1s);

  RttRelayTest() : listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in name{};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof name;
    ::bind(listener_.get(), reinterpret_cast<sockaddr*>(&name), size);
    ::getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&name), &size);
    EXPECT_EQ(::listen(listener_.get(), 10), 0);
    const std::string target = "127.0.0.1:" + std::to_string(ntohs(name.sin_port));
    relay_ = std::make_unique<RelayProcess>(target, rtt);
    address_ = relay_->address();
  }

  // The server's end of the next connection.
  UniqueFd accept() const {
    EXPECT_TRUE(wait_readable(listener_.get(), kCap));
    return UniqueFd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  }
  // What the server reads next: "" is a FIN, "reset" an RST.
  static std::string read(const UniqueFd& server) {
    if (!wait_readable(server.get(), kCap)) return "nothing";
    char text[64];
    const ssize_t n = ::recv(server.get(), text, sizeof text, 0);
    return n < 0 ? "reset" : std::string(text, static_cast<std::size_t>(n));
  }
  static void write(const UniqueFd& server, std::string_view text) {
    EXPECT_EQ(::send(server.get(), text.data(), text.size(), MSG_NOSIGNAL), std::ssize(text));
  }
  static void reset(UniqueFd& server) {
    const linger abort{.l_onoff = 1, .l_linger = 0};
    ::setsockopt(server.get(), SOL_SOCKET, SO_LINGER, &abort, sizeof abort);
    server.reset();
  }

  UniqueFd listener_;
  std::unique_ptr<RelayProcess> relay_;
  std::string address_;
};

TEST_F(RttRelayTest, BytesTakeHalfARoundTripEachWay) {
  const TimePoint began = Clock::now();
  RawClient client(address_);
  client.send("ping");
  const UniqueFd server = accept();
  EXPECT_EQ(read(server), "ping");
  EXPECT_GE(Clock::now() - began, rtt / 2);
  write(server, "pong");
  EXPECT_EQ(client.read_some(), "pong");
  EXPECT_GE(Clock::now() - began, rtt);
}

TEST_F(RttRelayTest, ARequestThatCrossesAFinMeetsAClosedSocketAndIsReset) {
  RawClient client(address_);
  UniqueFd server = accept();
  server.reset();
  ASSERT_EQ(client.wait_end(0ms), End::StillOpen) << "the FIN is still on the wire";
  client.send("request");
  EXPECT_EQ(client.wait_end(), End::Closed);
  pollfd end{.fd = client.fd(), .events = 0, .revents = 0};
  EXPECT_EQ(::poll(&end, 1, static_cast<int>(kCap.count())), 1);
  EXPECT_TRUE(end.revents & POLLERR) << "the answer to the request is a reset";
}

TEST_F(RttRelayTest, AServerThatReadsOnBehindItsFinGetsTheRequestThatCrossedIt) {
  RawClient client(address_);
  const UniqueFd server = accept();
  ::shutdown(server.get(), SHUT_WR);
  client.send("request");
  EXPECT_EQ(read(server), "request");
  EXPECT_EQ(client.wait_end(), End::Closed);
}

TEST_F(RttRelayTest, AResetOfTheServersReachesTheClient) {
  RawClient client(address_);
  UniqueFd server = accept();
  reset(server);
  EXPECT_EQ(client.wait_end(), End::Reset);
}

TEST_F(RttRelayTest, AResetOfTheClientsReachesTheServer) {
  RawClient client(address_);
  const UniqueFd server = accept();
  client.reset();
  EXPECT_EQ(read(server), "reset");
}

TEST_F(RttRelayTest, BytesComeBeforeTheFinThatWasSentBehindThem) {
  RawClient client(address_);
  UniqueFd server = accept();
  write(server, "last words");
  server.reset();
  EXPECT_EQ(client.read_all(), "last words");
}

TEST_F(RttRelayTest, AHalfClosedClientGetsItsAnswer) {
  RawClient client(address_);
  client.send("request").half_close();
  UniqueFd server = accept();
  EXPECT_EQ(read(server), "request");
  EXPECT_EQ(read(server), "");
  write(server, "answer");
  server.reset();
  EXPECT_EQ(client.read_all(), "answer");
}

TEST_F(RttRelayTest, ARefusedConnectIsAReset) {
  listener_.reset();
  RawClient client(address_);
  EXPECT_EQ(client.wait_end(), End::Reset);
}

}  // namespace
}  // namespace holdfast::testing
