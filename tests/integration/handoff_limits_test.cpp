// A handoff where descriptors are short: what fits moves, the rest leaves as with --idle close, and
// nobody who behaves meets an error. As a user without rights: root may have any number in flight.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <unistd.h>

#include "tests/integration/handoff_fixture.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class HandoffLimitsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can run a supervisor as somebody else";
    // UBSan looks at memory through a pipe, and takes a worker without a descriptor for a broken
    // one.
    if (programs_are_sanitized()) GTEST_SKIP() << "the sanitizers need descriptors of their own";
    std::filesystem::permissions(files.path(), std::filesystem::perms(0777));
  }
  SupervisorOptions limited(int descriptors, SupervisorOptions options = {}) {
    // The kernel counts what a user has in flight: tests that run at the same time must not share
    // one.
    const std::string id = std::to_string(100'000 + ::getpid());
    options.wrapper = {"setpriv",
                       "--reuid=" + id,
                       "--regid=" + id,
                       "--clear-groups",
                       "--bounding-set=-all",
                       "prlimit",
                       "--nofile=" + std::to_string(descriptors)};
    options.access_log = files.file("access.log");
    options.environment.emplace("XDG_RUNTIME_DIR", files.path().string());
    return with_handoff(std::move(options));
  }
  TempDir files;
};

// More connections than one worker can hold: the rest waits in the listener's queue.
TEST_F(HandoffLimitsTest, WhatFitsMovesAndTheRestIsClosedInOrder) {
  SupervisorRun run(limited(64, {.flags = {"--idle-grace", "300ms"}}));
  const std::string address = run.wait_ready().address();
  constexpr std::size_t kClients = 50;
  std::vector<std::unique_ptr<RawClient>> clients;
  for (std::size_t i = 0; i < kClients; ++i) {
    clients.push_back(std::make_unique<RawClient>(address));
    ASSERT_EQ(clients.back()->get("/").generation(), 1);
  }
  ASSERT_EQ(run.reload().name(), "reload_done");
  wait_all_moved(run);
  std::size_t moved = 0;
  for (auto& client : clients) {
    if (client->wait_end(0ms) == End::StillOpen) {
      EXPECT_EQ(client->get("/").generation(), 2);
      ++moved;
    } else {
      EXPECT_EQ(client->wait_end(), End::Closed);
    }
  }
  std::printf("%zu of %zu moved\n", moved, clients.size());
  EXPECT_GE(moved, 25U) << run.events().dump();
  EXPECT_EQ(run.wait("drained").number("handed_off"), static_cast<std::int64_t>(moved));
  EXPECT_EQ(RawClient(address).get("/").generation(), 2) << "there is room for new ones";
  clients.clear();
  expect_clean_stop(run);
  expect_stories_hold(run.log());
}

TEST_F(HandoffLimitsTest, AWorkerWithoutAFreeDescriptorDrainsAndIsNotKilled) {
  SupervisorRun run(limited(64, {.flags = {"--idle-grace", "300ms"}}));
  const std::string address = run.wait_ready().address();
  const pid_t old_pid = run.worker_pid(1);
  std::vector<std::unique_ptr<RawClient>> clients;
  const auto full = [&] { return open_fds(old_pid).size() >= 64; };
  for (int i = 0; i < 80; ++i) clients.push_back(std::make_unique<RawClient>(address));
  ASSERT_TRUE(eventually(full)) << open_fds(old_pid).size();
  for (int i = 0; i < 40; ++i)
    ASSERT_EQ(clients[static_cast<std::size_t>(i)]->get("/").generation(), 1);
  ASSERT_TRUE(eventually(full)) << open_fds(old_pid).size();
  run.signal(SIGUSR1);  // brings descriptors too
  RawClient& slow = *clients[0];
  slow.send(get_request("/?duration=3s"));
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(slow.read_response().body, "Hello, world!") << run.events().dump();
  // Who had an answer is closed in order or moved; who has not is answered.
  for (std::size_t i = 1; i < clients.size(); ++i) {
    if (i < 40) {
      const End end = clients[i]->wait_end(0ms);
      EXPECT_TRUE(end == End::Closed || end == End::StillOpen) << end;
      clients[i].reset();
    }
  }
  for (std::size_t i = 40; i < clients.size(); ++i) {
    if (clients[i]->wait_end(0ms) != End::StillOpen) continue;  // its grace is over
    EXPECT_EQ(clients[i]->get("/").status, 200);
  }
  clients.clear();
  wait_all_moved(run);
  for (const Event& e : run.all("worker_exited"))
    EXPECT_EQ(e.fields.value("exit_code", -1), 0) << e.fields;
  expect_clean_stop(run);
  EXPECT_TRUE(run.log().bad().empty());
}

// Many in flight at a time: every pair of workers may have an offer on its way, and the kernel
// counts them all against the one limit of the user.
TEST_F(HandoffLimitsTest, ManyWorkersWithManyInFlightLoseNothing) {
  SupervisorRun run(limited(64, {.flags = {"--idle-grace", "300ms"}, .workers = "4"}));
  LoadOptions options;
  options.target = run.wait_ready().address();
  GroupOptions posts;
  posts.name = "posts";
  posts.connections = 120;
  posts.think = {0ms, 100ms};
  posts.post_percent = 100;
  posts.ids = true;
  options.groups.push_back(posts);
  LoadClient load(options);
  load.start();
  ASSERT_TRUE(load.wait_for_requests(500));
  const int reloads = rounds("HOLDFAST_TEST_RELOADS", 6);
  for (int i = 0; i < reloads; ++i) {
    const Event verdict = run.reload();
    ASSERT_EQ(verdict.name(), "reload_done") << verdict.fields;
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 300)) << run.events().dump();
    wait_all_moved(run);
  }
  const LoadResult result = load.finish();
  expect_no_failure(result);
  std::uint64_t moved = 0;
  std::uint64_t closed = 0;
  for (const Event& e : run.all("drained")) {
    moved += static_cast<std::uint64_t>(e.number("handed_off"));
    closed += static_cast<std::uint64_t>(e.number("closed_idle"));
  }
  std::printf("%d reloads: %lu moved, %lu closed idle, %lu connects\n", reloads, moved, closed,
              result.total().connects);
  for (const std::string& line : run.events().text()) std::printf("%s\n", line.c_str());
  expect_clean_stop(run);
  expect_all_logged(run.log(), result);
  expect_stories_hold(run.log());
}

TEST_F(HandoffLimitsTest, WhatTheKernelDoesNotCarryIsServedWhereItIs) {
  SupervisorRun run(limited(64, {.flags = {"--idle-grace", "300ms"},
                                 .command = {demo_path(), "--max-connections", "40"},
                                 .workers = "4"}));
  const std::string address = run.wait_ready().address();
  std::vector<std::unique_ptr<RawClient>> clients;
  std::vector<pid_t> owners;
  for (int i = 0; i < 160; ++i) {
    clients.push_back(std::make_unique<RawClient>(address));
    owners.push_back(clients.back()->get("/").pid());
  }
  // The old ones sleep until all is arranged, the new ones from then on: whatever is offered stays
  // on its way, until the kernel carries no more.
  const std::size_t from = run.mark();
  const auto tell = [&](int generation, int number) {
    for (const WorkerInfo& worker : run.started_workers(generation)) ::kill(worker.pid, number);
  };
  tell(1, SIGSTOP);
  run.signal(SIGHUP);
  run.wait("reload_done", from);
  for (const WorkerInfo& worker : run.started_workers(2)) {
    // Its channel, its listener, and one to each giver: it has said that it takes.
    ASSERT_TRUE(eventually(
        [&] { return sockets_of(worker.pid) == 6 && process_state(worker.pid) == 'S'; }));
    ::kill(worker.pid, SIGSTOP);
  }
  tell(1, SIGCONT);
  for (std::size_t i = 0; i < clients.size(); ++i) clients[i]->send(get_request("/"));
  for (std::size_t i = 0; i < clients.size(); ++i) {
    const Response response = clients[i]->read_response();
    EXPECT_EQ(response.pid(), owners[i]);
  }
  tell(2, SIGCONT);
  wait_all_moved(run);
  for (auto& client : clients) {
    if (client->wait_end(0ms) == End::StillOpen) {  // a last offer was answered after all
      EXPECT_EQ(client->get("/").generation(), 2);
    } else {
      EXPECT_EQ(client->wait_end(), End::Closed);
    }
  }
  const auto refused = run.events().all([](const Event& e) {
    return e.text("line").find("the kernel does not carry them") != std::string::npos;
  });
  EXPECT_FALSE(refused.empty()) << "nothing was tested\n" << run.events().dump();
  expect_clean_stop(run);
  expect_stories_hold(run.log());
}

}  // namespace
}  // namespace holdfast::testing
