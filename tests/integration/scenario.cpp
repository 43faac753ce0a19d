#include "tests/integration/scenario.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <memory>
#include <set>
#include <vector>

#include "tests/support/process_facts.hpp"
#include "tests/support/raw_client.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

GroupOptions group(std::string name, Mode mode, int connections, DurationRange think) {
  GroupOptions options;
  options.name = std::move(name);
  options.mode = mode;
  options.connections = connections;
  options.think = think;
  options.ids = true;
  return options;
}

}  // namespace

LoadOptions brisk_load(const std::string& address) {
  LoadOptions load;
  load.target = address;
  load.groups.push_back(group("busy", Mode::KeepAlive, 8, {0ms, 2ms}));
  load.groups.push_back(group("fresh", Mode::New, 8, {0ms, 2ms}));
  GroupOptions posts = group("posts", Mode::KeepAlive, 16, {0ms, 50ms});
  posts.post_percent = 100;
  load.groups.push_back(posts);
  return load;
}

LoadOptions mixed_load(const std::string& address) {
  LoadOptions load = brisk_load(address);
  // Below the second that a connection without a byte is given by a draining worker.
  load.groups.push_back(group("silent", Mode::Preconnect, 4, {20ms, 300ms}));
  load.groups.push_back(group("halves", Mode::HalfHead, 4, {20ms, 300ms}));
  load.groups.push_back(group("drips", Mode::SlowSend, 2, {0ms, 20ms}));
  GroupOptions slow = group("slow", Mode::KeepAlive, 4, {0ms, 10ms});
  slow.path = "/?duration=300ms";
  slow.verify = Verify::Hello;
  load.groups.push_back(slow);
  GroupOptions uploads = group("uploads", Mode::Upload, 2, {0ms, 20ms});
  uploads.post_path = "/upload";
  uploads.upload_size = 256 << 10;
  uploads.upload_rate = 1 << 20;
  uploads.verify = Verify::None;
  load.groups.push_back(uploads);
  return load;
}

void expect_no_failure(const LoadResult& result) {
  EXPECT_EQ(result.failed(), 0u) << result.summary();
  EXPECT_EQ(result.total().aborted, 0u) << result.summary();
  for (const FailureExample& example : result.examples) {
    ADD_FAILURE() << "group " << example.group << ": " << name_of(example.failure) << ", errno "
                  << example.error << ", status " << example.status << ", after " << example.served
                  << " responses and " << example.sent << " bytes sent, from port "
                  << example.local_port << ", at "
                  << std::chrono::duration_cast<Millis>(example.at).count() << " ms";
  }
  for (const auto& [name, group] : result.groups) {
    EXPECT_GT(group.ok, 0u) << "group " << name << " did nothing";
  }
}

void expect_all_logged(const AccessLog& log, const LoadResult& result) {
  for (const std::string& line : log.bad()) ADD_FAILURE() << "bad log line: " << line;
  std::uint64_t begun = 0;
  for (const auto& [name, group] : result.groups) {
    EXPECT_EQ(log.complaint(name, group.begun), "") << "group " << name;
    begun += group.begun;
  }
  EXPECT_EQ(log.size(), begun);
}

void expect_clean_stop(SupervisorRun& run, int deaf) {
  EXPECT_EQ(run.stop(), exited(0)) << run.events().dump();
  EXPECT_EQ(run.leftovers(), "") << run.events().dump();
  const auto stopped = run.all("stopped");
  ASSERT_EQ(stopped.size(), 1u) << run.events().dump();
  EXPECT_EQ(stopped[0].number("cut"), 0);
  EXPECT_EQ(stopped[0].number("killed"), deaf) << "a second TERM, or a worker that does not leave";
  // A worker that was told to drain and did leaves with 0; a sanitizer's finding or a late crash
  // would make it another code.
  std::set<std::int64_t> drained;
  for (const Event& e : run.all("drained")) drained.insert(e.number("pid"));
  for (const Event& e : run.all("worker_exited")) {
    if (e.text("phase") != "draining" || !drained.contains(e.number("pid"))) continue;
    EXPECT_EQ(e.fields.value("exit_code", -1), 0) << e.fields;
  }
}

void expect_queue_answered_at_stop(SupervisorRun& run, int clients) {
  const std::string address = run.address();
  const pid_t worker = run.worker_pid(1);
  ::kill(worker, SIGSTOP);
  std::vector<std::unique_ptr<RawClient>> queued;
  for (int i = 0; i < clients; ++i) {
    queued.push_back(std::make_unique<RawClient>(address));
    queued.back()->send(get_request("/"));
  }
  run.signal(SIGTERM);
  run.wait("stopping");
  ::kill(worker, SIGCONT);
  for (auto& client : queued) ASSERT_EQ(client->read_response().body, "Hello, world!");
  EXPECT_EQ(run.wait_exit(), exited(0));
  EXPECT_EQ(run.leftovers(), "");
}

void expect_sleeps_while_others_accept(SupervisorRun& run, pid_t old_pid) {
  LoadOptions options;
  options.target = run.address();
  options.groups.push_back({.name = "fresh", .mode = Mode::New, .connections = 4});
  LoadClient load(options);
  load.start();
  ASSERT_TRUE(load.wait_for_requests(200));
  const pid_t new_pid = run.worker_pid(2);
  const auto old_before = cpu_time(old_pid);
  const auto new_before = cpu_time(new_pid);
  ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 2000));
  ASSERT_TRUE(is_alive(old_pid)) << "it drained too soon for this test to see anything";
  const auto old_spent = cpu_time(old_pid) - old_before;
  const auto new_spent = cpu_time(new_pid) - new_before;
  EXPECT_LT(old_spent, new_spent / 20)
      << "draining " << old_spent.count() << " ns, accepting " << new_spent.count() << " ns";
  std::printf("draining worker: %ld us of CPU, accepting: %ld us\n", old_spent.count() / 1000,
              new_spent.count() / 1000);
  expect_no_failure(load.finish());
}

}  // namespace holdfast::testing
