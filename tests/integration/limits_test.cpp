// What a worker spends on clients that want too much of it: connections, descriptors, memory. Each
// limit holds, costs no CPU while it does, and ends when its cause does.
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <sstream>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <vector>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

// A sanitizer's redzones and its quarantine of freed memory say nothing about the worker.
void expect_at_most(std::uint64_t each, std::uint64_t kib) {
  std::printf("%lu KiB for each connection\n", each);
  if (!programs_are_sanitized()) {
    EXPECT_LT(each, kib);
  }
}

class LimitsTest : public ::testing::Test {
 protected:
  void start(std::vector<std::string> command) {
    run = std::make_unique<SupervisorRun>(SupervisorOptions{.command = std::move(command)});
    address = run->wait_ready().address();
    worker = run->worker_pid(1);
  }
  // Waits until so many clients are connected for the worker.
  bool holds(std::size_t sockets) const {
    return eventually([&] {
      std::size_t open = 0;
      for (const auto& [fd, target] : open_fds(worker)) open += target.starts_with("socket:");
      return open >= sockets;
    });
  }
  // Of the worker, while a second passes.
  std::chrono::nanoseconds cpu_of_a_second() const {
    const auto before = cpu_time(worker);
    const RawClient nobody_answers(address);  // waits in the queue, or is accepted and idle
    RawClient(address).wait_end(1s);
    return cpu_time(worker) - before;
  }
  std::unique_ptr<SupervisorRun> run;
  std::string address;
  pid_t worker = -1;
};

TEST_F(LimitsTest, AtMaxConnectionsAcceptingPausesAndTheQueueKeepsTheRest) {
  start({demo_path(), "--max-connections", "3"});
  std::vector<std::unique_ptr<RawClient>> kept;
  for (int i = 0; i < 3; ++i) {
    kept.push_back(std::make_unique<RawClient>(address));
    EXPECT_EQ(kept.back()->get("/").status, 200);
  }
  RawClient fourth(address);  // the kernel completes the handshake
  fourth.send(get_request("/"));
  EXPECT_EQ(fourth.wait_end(300ms), End::StillOpen) << "it was accepted beyond the limit";
  EXPECT_LT(cpu_of_a_second(), scaled(100ms)) << "it spins";
  for (auto& client : kept) EXPECT_EQ(client->get("/").status, 200) << "who is in is served";
  kept.pop_back();
  EXPECT_EQ(fourth.read_response().status, 200);
  kept.clear();
  expect_clean_stop(*run);
}

// In one of its epoll sets (epoll(7), "/proc interfaces"): only listeners are there exclusively.
bool waits_for_connections(pid_t pid) {
  for (const auto& [fd, target] : open_fds(pid)) {
    if (target != "anon_inode:[eventpoll]") continue;
    std::istringstream lines(
        read_text("/proc/" + std::to_string(pid) + "/fdinfo/" + std::to_string(fd)));
    for (std::string line; std::getline(lines, line);) {
      const std::size_t at = line.find("events:");
      if (!line.starts_with("tfd:") || at == line.npos) continue;
      if ((std::stoul(line.substr(at + 7), nullptr, 16) & EPOLLEXCLUSIVE) != 0) return true;
    }
  }
  return false;
}

// Two workers with room for two each: one keeps two clients, the other none.
TEST_F(LimitsTest, AFullWorkerLeavesEachConnectionToOneThatHasRoom) {
  run = std::make_unique<SupervisorRun>(
      SupervisorOptions{.command = {demo_path(), "--max-connections", "2"}, .workers = "2"});
  address = run->wait_ready().address();
  std::map<pid_t, std::vector<std::unique_ptr<RawClient>>> clients;
  for (int i = 0; i < 4; ++i) {
    auto client = std::make_unique<RawClient>(address);
    const pid_t pid = client->get("/").pid();
    clients[pid].push_back(std::move(client));
  }
  ASSERT_EQ(clients.size(), 2u);
  const pid_t full = clients.begin()->first;
  const pid_t free = clients.rbegin()->first;
  EXPECT_FALSE(waits_for_connections(free));
  clients[free].clear();
  EXPECT_TRUE(eventually([&] { return waits_for_connections(free); })) << "there is room again";
  for (int i = 0; i < 200; ++i) {
    RawClient client(address);
    ASSERT_EQ(client.get("/").pid(), free) << "round " << i;
  }
  EXPECT_FALSE(eventually([&] { return waits_for_connections(full); }, 300ms)) << "it is full yet";
  for (auto& client : clients[full]) EXPECT_EQ(client->get("/").status, 200);
  clients.clear();
  expect_clean_stop(*run);
}

TEST_F(LimitsTest, WithoutDescriptorsAcceptingPausesWithoutSpinningAndResumes) {
  if (programs_are_sanitized())
    GTEST_SKIP() << "UBSan looks at memory through a pipe, and has none";
  start({"prlimit", "--nofile=64:64", demo_path()});
  std::vector<std::unique_ptr<RawClient>> crowd;
  for (int i = 0; i < 100; ++i) crowd.push_back(std::make_unique<RawClient>(address));
  ASSERT_TRUE(eventually([&] { return open_fds(worker).size() == 64; }));
  EXPECT_EQ(crowd.front()->get("/").status, 200) << "who is in is served";
  RawClient late(address);
  late.send(get_request("/"));
  EXPECT_LT(cpu_of_a_second(), scaled(100ms)) << "it spins";
  EXPECT_EQ(late.wait_end(0ms), End::StillOpen);
  crowd.clear();
  EXPECT_EQ(late.read_response().status, 200);
  expect_clean_stop(*run);
}

// Per connection: what came of a head, at most 16 KiB in a buffer that doubles, and the exchange.
TEST_F(LimitsTest, HeadsThatTrickleHoldOnlyWhatCame) {
  start({demo_path(), "--header-timeout", "60s"});
  constexpr std::size_t kClients = 400;
  RawClient(address).get("/");
  const std::uint64_t before = rss_kib(worker);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (std::size_t i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<RawClient>(address));
    clients.back()->send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
  }
  ASSERT_TRUE(holds(kClients));
  // In pieces, so that each is a read of its own.
  for (int round = 0; round < 15; ++round) {
    for (auto& client : clients) client->send(std::string(1000, 'x'));
    EXPECT_EQ(RawClient(address).get("/").status, 200);
  }
  const std::uint64_t each = (rss_kib(worker) - before) / kClients;
  expect_at_most(each, 48);
  for (auto& client : clients) client->send("\r\n\r\n");
  for (auto& client : clients) EXPECT_EQ(client->read_response().status, 200);
  clients.clear();
  EXPECT_EQ(RawClient(address).get("/").status, 200);
  expect_clean_stop(*run);
}

// A client that sends requests and reads no response: the worker stops reading once the kernel
// takes no more of a response, so it holds that request, its response (twice, while it is framed)
// and one read of what follows.
TEST_F(LimitsTest, ClientsThatNeverReadHoldOneRequestAndOneRead) {
  start({demo_path()});
  constexpr std::size_t kClients = 40;
  constexpr std::size_t kBody = 64 * 1024;
  RawClient(address).get("/");
  const std::uint64_t before = rss_kib(worker);
  const std::string request = post_request("/echo", std::string(kBody, 'x'));
  std::vector<std::unique_ptr<RawClient>> clients;
  for (std::size_t i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<RawClient>(address));
    // As much as the kernel takes: its buffers are full in both directions then.
    std::size_t sent = 0;
    for (int quiet = 0; quiet < 3 && sent < (64U << 20);) {
      const ssize_t n = ::send(clients.back()->fd(), request.data() + sent % request.size(),
                               request.size() - sent % request.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n > 0) {
        sent += static_cast<std::size_t>(n);
        quiet = 0;
      } else {
        EXPECT_EQ(RawClient(address).get("/").status, 200);  // the worker has had its turn
        ++quiet;
      }
    }
    ASSERT_LT(sent, 64U << 20) << "it reads on although nobody reads";
  }
  const std::uint64_t each = (rss_kib(worker) - before) / kClients;
  expect_at_most(each, 6 * kBody / 1024);
  clients.clear();
  expect_clean_stop(*run);
}

}  // namespace
}  // namespace holdfast::testing
