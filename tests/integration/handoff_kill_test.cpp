// Processes that die or stop in the middle of a handoff: who is killed takes its own connections
// along and nobody else's, and no request is served twice.
#include <chrono>
#include <csignal>
#include <fstream>
#include <random>
#include <set>
#include <unistd.h>

#include "tests/integration/handoff_fixture.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

// A client that asks now and then, and knows who answered it last.
struct Watched {
  std::unique_ptr<RawClient> client;
  pid_t owner = 0;

  void connect(const std::string& address) {
    client = std::make_unique<RawClient>(address);
    owner = client->get("/").pid();
  }
  // False: its connection has ended. One that is open and does not answer fails the test.
  bool answers() {
    try {
      owner = client->get("/").pid();
      return true;
    } catch (const RawClientError& error) {
      const End end = client->wait_end(0ms);
      EXPECT_TRUE(end == End::Closed || end == End::Reset) << error.what();
      return false;
    }
  }
};

LoadOptions appending_load(const std::string& address) {
  LoadOptions load;
  load.target = address;
  const auto group = [&](const char* name, int connections, DurationRange think) {
    GroupOptions posts;
    posts.name = name;
    posts.connections = connections;
    posts.think = think;
    posts.post_percent = 100;
    posts.post_path = "/append";
    posts.ids = true;
    load.groups.push_back(posts);
  };
  group("busy", 16, {0ms, 5ms});
  group("lazy", 100, {50ms, 200ms});
  return load;
}

// What the handlers did, also those whose worker did not live to log it.
void expect_served_once(const std::string& path, const LoadResult& result) {
  std::ifstream file(path);
  std::set<std::string> ids;
  std::size_t lines = 0;
  for (std::string id; std::getline(file, id); ++lines) {
    EXPECT_TRUE(ids.insert(id).second) << id << " was served twice";
  }
  EXPECT_GE(lines, result.total().ok);
  EXPECT_LE(lines, result.total().begun);
}

void expect_only_ends_of_connections(const LoadResult& result) {
  const GroupResult total = result.total();
  for (const Failure failure :
       {Failure::Refused, Failure::ConnectTimeout, Failure::ConnectReset, Failure::WrongStatus,
        Failure::WrongBody, Failure::Timeout, Failure::ProtocolError})
    EXPECT_EQ(total.count(failure), 0U) << name_of(failure) << ": " << result.summary();
}

class HandoffKillTest : public ::testing::Test {
 protected:
  TempDir files;
  std::string executions = files.file("executions");
  SupervisorRun run{with_handoff({.command = {STREAMS_WORKER_PATH},
                                  .workers = "2",
                                  .environment = {{"EXECUTIONS", executions}}})};
  std::string address = run.wait_ready().address();
};

TEST_F(HandoffKillTest, AWorkerThatIsKilledInAHandoffTakesOnlyItsOwnConnectionsAlong) {
  const int kills = rounds("HOLDFAST_TEST_KILLS", 8);
  const unsigned seed = static_cast<unsigned>(rounds("HOLDFAST_TEST_SEED", 0)) != 0
                            ? static_cast<unsigned>(rounds("HOLDFAST_TEST_SEED", 0))
                            : std::random_device{}();
  std::printf("HOLDFAST_TEST_SEED=%u\n", seed);
  std::mt19937 random(seed);
  LoadClient load(appending_load(address));
  load.start();
  ASSERT_TRUE(load.wait_for_requests(200));
  std::vector<Watched> watched(400);
  for (Watched& each : watched) each.connect(address);
  const std::size_t supervisors = open_fds(run.pid()).size();
  std::size_t lost = 0;
  std::set<pid_t> dead;  // of earlier kills: their numbers may be somebody else's by now
  for (int i = 0; i < kills; ++i) {
    const int old_generation = i + 1;
    const std::size_t from = run.mark();
    run.signal(SIGHUP);
    const Event verdict = run.wait("reload_done", from);
    const auto olds = run.started_workers(old_generation);
    const auto news = run.started_workers(old_generation + 1);
    ASSERT_EQ(news.size(), 2U);
    // The moment is drawn: so many requests later, in about as many milliseconds as a handoff
    // takes.
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + random() % 40));
    const bool kill_old = i % 3 != 1;
    const bool kill_new = i % 3 != 0;
    std::set<pid_t> killed;
    if (kill_old) {
      for (const WorkerInfo& old : olds) {
        if (dead.contains(old.pid) || !is_alive(old.pid)) continue;
        killed.insert(old.pid);
        ::kill(old.pid, SIGKILL);
        break;
      }
    }
    if (kill_new) {
      const pid_t victim = news[random() % 2].pid;
      killed.insert(victim);
      ::kill(victim, SIGKILL);
    }
    for (const pid_t pid : killed) ASSERT_TRUE(wait_gone(pid));
    dead.insert(killed.begin(), killed.end());
    std::size_t ended = 0;
    for (Watched& each : watched) {
      const pid_t before = each.owner;
      if (each.answers()) {
        EXPECT_FALSE(killed.contains(each.owner)) << "a dead worker answered";
        continue;
      }
      ++ended;
      EXPECT_TRUE(kill_new || killed.contains(before))
          << "kill " << i + 1 << ": lost, and last served by " << before << ", who lives";
      each.connect(address);
    }
    // The new worker that was killed had no more than its share of those that could move.
    if (!kill_old) {
      EXPECT_LT(ended, watched.size() * 8 / 10) << "kill " << i + 1;
    }
    lost += ended;
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 100));
    wait_all_moved(run);
    if (kill_new) {
      run.wait_for(
          "the worker in its place",
          [&](const Event& e) {
            return e.name() == "worker_accepting" && e.number("generation") == i + 2 &&
                   e.number("worker") > news.back().worker;
          },
          from);
    }
    ASSERT_FALSE(::testing::Test::HasFailure()) << "at kill " << i + 1 << "\n"
                                                << run.events().dump(40);
    EXPECT_TRUE(eventually([&] { return open_fds(run.pid()).size() <= supervisors; }))
        << "the supervisor holds " << open_fds(run.pid()).size() << " descriptors, once "
        << supervisors;
  }
  const std::size_t of = watched.size() * static_cast<std::size_t>(kills);
  watched.clear();
  const LoadResult result = load.finish();
  expect_only_ends_of_connections(result);
  expect_served_once(executions, result);
  ASSERT_EQ(run.reload().name(), "reload_done");
  wait_all_moved(run);
  for (const WorkerInfo& worker : run.started_workers(kills + 2))
    EXPECT_TRUE(eventually([&] { return sockets_of(worker.pid) <= 2; })) << sockets_of(worker.pid);
  EXPECT_EQ(run.stop(), exited(0)) << run.events().dump();
  EXPECT_EQ(run.leftovers(), "");
  EXPECT_EQ(run.wait("stopped").number("killed"), 0);
  std::printf("%d kills: %zu of %zu idle connections lost, %lu of %lu requests failed\n", kills,
              lost, of, result.failed(), result.total().begun);
}

TEST_F(HandoffKillTest, ASupervisorThatIsKilledInAHandoffTakesNoConnectionAlong) {
  std::vector<Watched> watched(300);
  for (Watched& each : watched) each.connect(address);
  LoadClient load(appending_load(address));
  load.start();
  ASSERT_TRUE(load.wait_for_requests(200));
  const std::size_t from = run.mark();
  run.signal(SIGHUP);
  run.wait("reload_done", from);
  run.signal(SIGKILL);
  EXPECT_EQ(run.wait_exit(), killed_by(SIGKILL));
  const auto news = run.started_workers(2);
  const auto is_new = [&](pid_t pid) {
    return std::ranges::any_of(news, [&](const WorkerInfo& worker) { return worker.pid == pid; });
  };
  // The orders were sent before the event was; the old ones leave without being told more.
  for (const WorkerInfo& old : run.started_workers(1)) EXPECT_TRUE(wait_gone(old.pid));
  for (Watched& each : watched) {
    ASSERT_TRUE(each.answers());
    EXPECT_TRUE(is_new(each.owner));
  }
  ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 300));
  const LoadResult result = load.finish();
  expect_no_failure(result);
  expect_served_once(executions, result);
  for (const auto& [name, had] : result.groups)
    EXPECT_EQ(had.idle_closed + had.idle_reset, 0U) << name;
}

// One worker a generation, so that a test can hold each where it wants it.
class HandoffPauseTest : public ::testing::Test {
 protected:
  // Stops the new worker when it has said that it takes, and before it can answer an offer: the old
  // one sleeps through the pause, so that the reload is committed without it.
  void stop_the_new_one_before_the_first_offer() {
    const std::size_t from = run.mark();
    ::kill(old_pid, SIGSTOP);
    run.signal(SIGHUP);
    run.wait("reload_done", from);
    new_pid = run.worker_pid(2);
    // What it says to its giver it says at once; then it sleeps again.
    ASSERT_EQ(RawClient(address).get("/").pid(), new_pid);
    ::kill(new_pid, SIGSTOP);
    ASSERT_TRUE(eventually([&] { return process_state(new_pid) == 'T'; }));
  }
  SupervisorRun run{with_handoff({.flags = {"--stop-timeout", "5s", "--kill-timeout", "2s"}})};
  std::string address = run.wait_ready().address();
  pid_t old_pid = run.worker_pid(1);
  pid_t new_pid = 0;
};

TEST_F(HandoffPauseTest, WhatAStoppedWorkerDoesNotTakeComesBackAndIsServed) {
  std::vector<Watched> watched(20);
  for (Watched& each : watched) each.connect(address);
  RawClient half(address);
  half.send("GET / HT");
  RawClient silent(address);
  watched[0].client->get("/");
  stop_the_new_one_before_the_first_offer();
  const TimePoint offered = Clock::now();
  ::kill(old_pid, SIGCONT);
  half.send("TP/1.1\r\nHost: test\r\n\r\n");
  const Response response = half.read_response();
  EXPECT_EQ(response.pid(), old_pid);
  for (Watched& each : watched) {
    ASSERT_TRUE(each.answers());
    EXPECT_EQ(each.owner, old_pid);
  }
  EXPECT_EQ(silent.get("/").pid(), old_pid);
  EXPECT_LT(Clock::now() - offered, scaled(4s)) << "the deadline of an answer is 2 s";
  ::kill(new_pid, SIGCONT);
  for (Watched& each : watched) EXPECT_EQ(each.client->wait_end(), End::Closed);
  EXPECT_EQ(half.wait_end(), End::Closed);
  wait_all_moved(run);
  const Event drained = run.wait("drained");
  EXPECT_EQ(drained.number("handed_off"), 0);
  EXPECT_EQ(drained.number("cut"), 0);
  ASSERT_TRUE(is_alive(new_pid)) << run.events().dump();
  EXPECT_TRUE(eventually([&] { return sockets_of(new_pid) <= 2; }))
      << "it keeps what it was offered";
  EXPECT_EQ(RawClient(address).get("/").pid(), new_pid);
  expect_clean_stop(run);
  expect_stories_hold(run.log());
}

TEST_F(HandoffPauseTest, TermWhileAnOfferWaitsForItsAnswerGivesTheConnectionsBack) {
  std::vector<Watched> watched(20);
  for (Watched& each : watched) each.connect(address);
  stop_the_new_one_before_the_first_offer();
  ::kill(old_pid, SIGCONT);
  run.signal(SIGTERM);
  // The old one ends in time although the new one neither answers nor leaves.
  for (Watched& each : watched) EXPECT_EQ(each.client->wait_end(), End::Closed);
  EXPECT_TRUE(wait_gone(old_pid, scaled(4s)));
  ::kill(new_pid, SIGCONT);
  EXPECT_EQ(run.wait_exit(), exited(0));
  EXPECT_EQ(run.leftovers(), "");
  EXPECT_EQ(run.wait("stopped").number("cut"), 0);
  EXPECT_EQ(run.wait("stopped").number("killed"), 0) << run.events().dump();
}

TEST_F(HandoffPauseTest, AnOldWorkerThatSleepsThroughAStopHoldsUpNobodyBeyondItsTime) {
  Watched mine;
  mine.connect(address);
  ::kill(old_pid, SIGSTOP);
  const std::size_t from = run.mark();
  run.signal(SIGHUP);
  run.wait("reload_done", from);
  Watched theirs;
  theirs.connect(address);
  EXPECT_NE(theirs.owner, old_pid);
  const TimePoint asked = Clock::now();
  run.signal(SIGTERM);
  EXPECT_EQ(theirs.client->wait_end(), End::Closed);
  EXPECT_EQ(run.wait_exit(), exited(0));
  EXPECT_LT(Clock::now() - asked, scaled(12s));
  EXPECT_EQ(run.leftovers(), "");
  EXPECT_NE(mine.client->wait_end(), End::StillOpen);
  const Event stopped = run.wait("stopped");
  EXPECT_EQ(stopped.number("killed"), 1);
}

}  // namespace
}  // namespace holdfast::testing
