// ConnectionTracker over real TCP connections, driven by hand.
#include "holdfast/worker/connection_tracker.hpp"

#include <atomic>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <gtest/gtest.h>

#include "shared/io/unique_fd.hpp"

namespace holdfast::worker {
namespace {

using namespace std::chrono_literals;

struct Pair {
  UniqueFd client;
  UniqueFd server;
};

Pair connect_tcp() {
  UniqueFd listener(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener.get(), generic, size), 0);
  EXPECT_EQ(::listen(listener.get(), 1), 0);
  EXPECT_EQ(::getsockname(listener.get(), generic, &size), 0);
  Pair pair;
  pair.client = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(pair.client.get(), generic, size), 0);
  pair.server = UniqueFd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  return pair;
}

void send(const UniqueFd& fd, std::string_view bytes) {
  EXPECT_EQ(::send(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
}

// What a server that reads there would get now: bytes, 0 at the end of the stream, -1 nothing.
ssize_t read_now(const UniqueFd& fd) {
  char bytes[64];
  return ::recv(fd.get(), bytes, sizeof bytes, MSG_DONTWAIT);
}

// Reads what the client sent, as a server does.
void receive(const UniqueFd& fd) {
  pollfd wait{fd.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&wait, 1, 5'000), 1);
  ASSERT_GT(read_now(fd), 0);
}

// As a driver does, until nothing is left to check.
void check_all(ConnectionTracker& tracker) {
  boost::asio::io_context io;
  while (const auto at = tracker.next_check()) {
    boost::asio::steady_timer(io, *at).wait();
    tracker.check();
  }
}

TEST(ConnectionTrackerTest, AnIdleConnectionReadsTheEndOfTheStreamAndItsClientNothingYet) {
  ConnectionTracker tracker;
  Pair pair = connect_tcp();
  auto connection = tracker.open(pair.server.get());
  connection.active();
  connection.idle();
  tracker.check();
  EXPECT_EQ(read_now(pair.server), -1);
  tracker.begin_drain(0ms, 0ms);
  check_all(tracker);
  EXPECT_EQ(read_now(pair.server), 0);
  EXPECT_EQ(read_now(pair.client), -1);
  EXPECT_EQ(tracker.counts().closed_idle, 1u);
  EXPECT_EQ(tracker.counts().connections, 1u);
  connection.closed();
  EXPECT_EQ(tracker.counts().connections, 0u);
}

TEST(ConnectionTrackerTest, ARequestThatWaitsInTheSocketIsReadFirst) {
  ConnectionTracker tracker;
  Pair pair = connect_tcp();
  auto connection = tracker.open(pair.server.get());
  tracker.begin_drain(0ms, 0ms);
  send(pair.client, "GET");
  pollfd wait{pair.server.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&wait, 1, 5'000), 1);
  check_all(tracker);
  EXPECT_EQ(read_now(pair.server), 3);
  EXPECT_EQ(read_now(pair.server), -1) << "still open for the rest";
}

TEST(ConnectionTrackerTest, HalfAHeadThatTheServerHasReadAlreadyKeepsTheConnection) {
  ConnectionTracker tracker;
  Pair fresh = connect_tcp();
  Pair kept = connect_tcp();
  auto first = tracker.open(fresh.server.get());
  auto second = tracker.open(kept.server.get());
  send(kept.client, "GET / HTTP/1.1\r\n\r\n");
  receive(kept.server);
  second.active();
  second.answering();
  send(kept.client, "GET");  // quicker than idle()
  receive(kept.server);
  second.idle();
  send(fresh.client, "GET");
  receive(fresh.server);
  tracker.begin_drain(0ms, 0ms);
  check_all(tracker);
  EXPECT_EQ(read_now(fresh.server), -1);
  EXPECT_EQ(read_now(kept.server), -1);
  EXPECT_EQ(tracker.counts().active, 2u);
}

TEST(ConnectionTrackerTest, NothingTouchesADescriptorAfterClosed) {
  ConnectionTracker tracker;
  Pair pair = connect_tcp();
  auto connection = tracker.open(pair.server.get());
  auto moved = std::move(connection);
  tracker.begin_drain(0ms, 0ms);
  moved.closed();
  moved.closed();
  check_all(tracker);
  tracker.cut();
  EXPECT_EQ(read_now(pair.server), -1);
  EXPECT_EQ(tracker.counts().connections, 0u);
}

TEST(ConnectionTrackerTest, CutEndsBothDirections) {
  ConnectionTracker tracker;
  Pair pair = connect_tcp();
  auto connection = tracker.open(pair.server.get());
  connection.active();
  tracker.begin_drain(1h, 1h);
  tracker.cut();
  EXPECT_EQ(read_now(pair.server), 0);
  pollfd wait{pair.client.get(), POLLIN, 0};
  ASSERT_EQ(::poll(&wait, 1, 5'000), 1);
  EXPECT_EQ(read_now(pair.client), 0);
  EXPECT_EQ(tracker.counts().cut, 1u);
}

TEST(ConnectionTrackerTest, ResponsesSayCloseOnceTheDrainHasBegun) {
  ConnectionTracker tracker;
  auto connection = tracker.open();
  EXPECT_FALSE(connection.should_close());
  tracker.begin_drain(1h, 1h);
  EXPECT_TRUE(connection.should_close());
  EXPECT_TRUE(tracker.open().should_close());
}

TEST(ConnectionTrackerTest, TheDriverIsWokenForAnEmptyDrainAndForAnEarlierCheck) {
  ConnectionTracker tracker;
  std::atomic<int> calls = 0;
  tracker.on_attention([&] { ++calls; });
  auto connection = tracker.open();
  EXPECT_EQ(calls, 1);
  connection.active();
  EXPECT_EQ(calls, 1) << "once after each counts()";
  tracker.begin_drain(1h, 1h);
  tracker.next_check();
  calls = 0;
  connection.idle();
  EXPECT_EQ(calls, 1) << "there is a grace to wait for now";
  connection.closed();
  EXPECT_EQ(calls, 2);
}

TEST(ConnectionTrackerTest, ManyThreadsKeepOneBook) {
  ConnectionTracker tracker;
  std::vector<std::thread> threads;
  std::atomic<bool> over = false;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      Pair pair = connect_tcp();
      for (int n = 0; n < 2'000; ++n) {
        auto connection = tracker.open(pair.server.get());
        connection.active();
        connection.answering();
        connection.idle();
      }
    });
  }
  std::thread driver([&] {
    tracker.begin_drain(0ms, 0ms);
    while (!over) {
      tracker.check();
      tracker.next_check();
    }
  });
  for (auto& thread : threads) thread.join();
  over = true;
  driver.join();
  EXPECT_EQ(tracker.counts().connections, 0u);
  EXPECT_EQ(tracker.counts().active, 0u);
  EXPECT_GE(tracker.counts().requests, 1u);
}

// The driver runs on another thread: here between the offer and the end of hand_off().
TEST(ConnectionTrackerTest, WhatIsBeingHandedOffIsNeitherToldToLeaveNorCut) {
  ConnectionTracker tracker;
  const Pair pair = connect_tcp();
  auto connection = tracker.open(pair.server.get());
  tracker.begin_drain(0ms, 0ms);
  tracker.hand_off_by([&](const TakenConnection& given) {
    check_all(tracker);
    EXPECT_EQ(read_now(pair.server), -1) << "it was told to leave";
    tracker.cut();
    EXPECT_EQ(read_now(pair.server), -1) << "it was cut";
    ::close(given.fd);
    return true;
  });
  EXPECT_TRUE(connection.hand_off());
  EXPECT_EQ(tracker.counts().closed_idle, 0U);
  EXPECT_EQ(tracker.counts().connections, 0U);
}

}  // namespace
}  // namespace holdfast::worker
