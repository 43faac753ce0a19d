// Handlers that take the connection (ResponseWriter::hijack): no byte is lost or doubled, each ends
// in order whoever ends it, and each is one line in the access log.
#include <chrono>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <gtest/gtest.h>

#include "tests/integration/takeover_fixture.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class ReadAheadTest : public TakeoverTest, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Handlers, ReadAheadTest,
                         ::testing::Values("/raw/echo", "/raw/late?gate", "/raw/callbacks"));

TEST_P(ReadAheadTest, WhatCameWithTheHeadIsReadFirstAndOnce) {
  const std::string bytes = random_bytes(100'000);
  const std::string head = upgrade(GetParam());
  RawClient client(address);
  client.send(head + bytes);
  EXPECT_EQ(client.read_head().status, 101);
  open_gate("gate");
  EXPECT_EQ(client.read_bytes(bytes.size()), bytes);
  const std::string later = random_bytes(10'000);
  client.send(later).half_close();
  EXPECT_EQ(client.read_all(), later);
  const auto line = stop_and_take_line();
  expect_line(line);
  expect_bytes(line, head.size() + bytes.size() + later.size(),
               kSwitch.size() + bytes.size() + later.size());
}

TEST_P(ReadAheadTest, NothingIsLostInDribbles) {
  const std::string bytes = upgrade(GetParam()) + random_bytes(100'000);
  RawClient client(address);
  std::mt19937 random(1);
  for (std::size_t at = 0; at < bytes.size();) {
    const std::size_t size = std::min<std::size_t>(1 + random() % 700, bytes.size() - at);
    client.send(std::string_view(bytes).substr(at, size));
    at += size;
  }
  open_gate("gate");
  EXPECT_EQ(client.read_head().status, 101);
  client.half_close();
  const std::string echoed = client.read_all();
  EXPECT_TRUE(bytes.ends_with(echoed));
  EXPECT_EQ(echoed.size(), 100'000u);
  expect_line(stop_and_take_line());
}

TEST_F(TakeoverTest, AHandlerThatDoesNotReadHoldsTheClientUp) {
  RawClient client = take("/raw/late?gate");
  MemoryPeak memory(worker);
  const timeval soon{0, 500'000};
  ::setsockopt(client.fd(), SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
  const std::string piece = random_bytes(1'000'000);
  std::string sent;
  for (;;) {  // until nobody takes any more
    const ssize_t n = ::send(client.fd(), piece.data(), piece.size(), MSG_NOSIGNAL);
    if (n < 0) break;
    sent.append(piece, 0, static_cast<std::size_t>(n));
    ASSERT_LT(sent.size(), 64'000'000u) << "nothing holds it up";
    memory.sample();
  }
  memory.expect_below(40'000);
  expect_bystander_served();
  open_gate("gate");
  client.half_close();
  EXPECT_TRUE(client.read_all() == sent);
  expect_line(stop_and_take_line());
}

TEST_F(TakeoverTest, AResetOfThePeersEndsTheStream) {
  RawClient client = take("/raw/echo");
  client.send("x");
  EXPECT_EQ(client.read_bytes(1), "x");
  client.reset();
  EXPECT_EQ(wait_lines(1).size(), 1u) << "written at the end, not at the stop";
  expect_line(stop_and_take_line());
}

TEST_F(TakeoverTest, AResetIsSeenThoughNobodyReads) {
  RawClient client = take("/raw/late?never");
  client.send("x");
  expect_bystander_served();
  client.reset();
  EXPECT_EQ(wait_lines(1).size(), 1u);
  open_gate("never");
  expect_line(stop_and_take_line());
}

TEST_F(TakeoverTest, WhatWasWrittenArrivesThoughTheStreamIsGone) {
  RawClient client = take("/raw/last-words");
  EXPECT_TRUE(client.read_all() == std::string(20'000'000, 'w'));
  const auto line = stop_and_take_line();
  expect_line(line);
  EXPECT_EQ(line.value("bytes_sent", 0u), kSwitch.size() + 20'000'000u);
}

TEST_F(TakeoverTest, AClientThatNeverReadsTheRestIsGivenUp) {
  SupervisorRun hurried(
      {.command = {STREAMS_WORKER_PATH}, .environment = {{"BODY_TIMEOUT_MS", "300"}}});
  RawClient client(hurried.wait_ready().address());
  client.send(upgrade("/raw/last-words"));
  const AccessLog log = AccessLog::wait(hurried.access_log_path(),
                                        [](const AccessLog& seen) { return seen.size() == 1; });
  ASSERT_EQ(log.size(), 1u);
  expect_line(log.lines()[0], "timeout");
  expect_clean_stop(hurried);
}

TEST_F(TakeoverTest, AnEndOfFileStaysOne) {
  RawClient client = take("/raw/after-the-end");
  client.send("last").half_close();
  EXPECT_EQ(client.read_all(), "laststill the end");
  expect_line(stop_and_take_line());
}

TEST_F(TakeoverTest, AStreamThatEndsWithinTheCallThatTookItIsCountedOnce) {
  for (int i = 0; i < 20; ++i) {
    RawClient client = take("/raw/scoped");
    EXPECT_EQ(client.read_all(), "short");
  }
  // A request's place that was given back twice would now serve two connections at once.
  std::vector<RawClient> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back(address);
    clients.back().send(get_request("/later?gate", "X-Request-ID: " + std::to_string(i) + "\r\n"));
  }
  wait_count("later", 8);
  open_gate("gate");
  for (RawClient& client : clients) EXPECT_EQ(client.read_response().body, "0");
  expect_clean_stop(run);
  EXPECT_EQ(lines().size(), 28u);
}

TEST_F(TakeoverTest, AHandlerThatThrowsInItsCallCutsItsStreamOnly) {
  for (int i = 0; i < 3; ++i) {
    RawClient client(address);
    client.send(upgrade("/raw/throw"));
    EXPECT_EQ(client.read_head().status, 101);
    EXPECT_NE(client.wait_end(), End::StillOpen);
    expect_bystander_served();
  }
  expect_clean_stop(run);
  ASSERT_EQ(lines().size(), 3u);
  for (const auto& line : lines()) {
    expect_line(line, "handler_error");
    EXPECT_EQ(line.value("error", ""), "thrown behind the hijack");
  }
}

TEST_F(TakeoverTest, AHandlerThatThrowsLaterCutsItsStreamOnly) {
  RawClient client = take("/raw/throw-later");
  client.send("x");
  EXPECT_NE(client.wait_end(), End::StillOpen);
  expect_bystander_served();
  const auto line = stop_and_take_line();
  expect_line(line, "handler_error");
  EXPECT_EQ(line.value("error", ""), "thrown behind the hijack");
}

TEST_F(TakeoverTest, AnExceptionThatDestroysTheStreamClosesItInOrder) {
  RawClient client = take("/raw/unwound");
  EXPECT_EQ(client.wait_end(), End::Closed);
  expect_bystander_served();
  const auto line = stop_and_take_line();
  expect_line(line);
  EXPECT_EQ(line.value("said", ""), "before");
}

TEST_F(TakeoverTest, TheLineComesWithTheEndOfTheStreamNotOfTheHandler) {
  RawClient client = take("/raw/outlived?gate");
  EXPECT_EQ(client.wait_end(), End::Closed);
  ASSERT_EQ(wait_lines(1).size(), 1u);
  open_gate("gate");
  expect_line(stop_and_take_line());
}

TEST_F(TakeoverTest, AClientThatSendsOnIsReadOnSoThatItGetsTheLastWords) {
  RawClient client = take("/raw/first-only?now");
  open_gate("now");
  client.send(std::string(20'000'000, 'b'));  // most of it long after the handler has closed
  EXPECT_EQ(client.read_all(), "enough");
  expect_line(stop_and_take_line());
}

TEST_F(TakeoverTest, WhatTheHandlerLeftUnreadIsNoReset) {
  RawClient client = take("/raw/first-only?now");
  client.send(std::string(150'000, 'b'));  // all of it before anybody reads
  expect_bystander_served();
  const std::size_t before = open_fds(worker).size();
  open_gate("now");
  EXPECT_EQ(client.read_all(), "enough");
  ASSERT_TRUE(eventually([&] { return open_fds(worker).size() < before; }));
  pollfd state{client.fd(), 0, 0};
  ::poll(&state, 1, 0);
  EXPECT_EQ(state.revents & (POLLERR | POLLHUP), 0) << "the worker reset the connection";
  expect_line(stop_and_take_line());
}

TEST_F(TakeoverTest, ManyStreamsAtOnceAreOneLineEach) {
  const std::string bytes = random_bytes(5'000);
  std::vector<RawClient> clients;
  for (int i = 0; i < 60; ++i) {
    clients.emplace_back(address);
    clients.back().send(upgrade(i % 2 == 0 ? "/raw/echo" : "/raw/callbacks") + bytes);
  }
  for (std::size_t i = 0; i < clients.size(); ++i) {
    EXPECT_EQ(clients[i].read_head().status, 101);
    EXPECT_EQ(clients[i].read_bytes(bytes.size()), bytes);
    if (i % 3 == 0) clients[i].reset();
    if (i % 3 == 1) clients[i].half_close();
  }
  clients.clear();
  expect_bystander_served();
  expect_clean_stop(run);
  ASSERT_EQ(lines().size(), 60u);
  for (const auto& line : lines()) expect_line(line);
}

}  // namespace
}  // namespace holdfast::testing
