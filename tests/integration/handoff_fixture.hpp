// What the tests of --idle handoff share: how a connection's story is read from the access log, and
// how a test knows that everything that can move has moved.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {

using Story = std::vector<AccessLog::Line>;  // of one connection, in the order of its requests

inline std::map<std::string, Story> stories(const AccessLog& log) {
  std::map<std::string, Story> all;
  for (const auto& line : log.lines()) all[line.value("conn_id", "")].push_back(line);
  for (auto& [id, story] : all) {
    std::ranges::sort(story, {},
                      [](const AccessLog::Line& line) { return line.value("conn_requests", 0); });
  }
  return all;
}

// Each connection counts its requests from 1 without a gap or a repetition, goes from older to
// newer generations only, and says so in the first line of each, once.
inline void expect_stories_hold(const AccessLog& log) {
  for (const std::string& line : log.bad()) ADD_FAILURE() << "bad log line: " << line;
  for (const auto& [id, story] : stories(log)) {
    int before = std::stoi(id);  // "<generation>-<worker>-<number>"
    int requests = 0;
    for (const auto& line : story) {
      EXPECT_EQ(line.value("conn_requests", 0), ++requests) << id << ": " << line;
      const int generation = line.value("generation", 0);
      const int from = line.value("handed_off_from", 0);
      if (generation == before) {
        EXPECT_EQ(from, 0) << line;
      } else {
        EXPECT_GE(from, before) << line;
        EXPECT_LT(from, generation) << line;
      }
      before = generation;
    }
  }
}

// Until the workers of all generations but the newest one are gone: none of them has a connection.
inline void wait_all_moved(SupervisorRun& run) {
  int newest = 0;
  for (const WorkerInfo& worker : run.started_workers())
    newest = std::max(newest, worker.generation);
  for (const WorkerInfo& worker : run.started_workers()) {
    if (worker.generation == newest) continue;
    run.wait_for("the end of worker " + std::to_string(worker.worker), [&](const Event& e) {
      return e.name() == "worker_exited" && e.number("worker") == worker.worker;
    });
  }
}

inline int sockets_of(pid_t pid) {
  int count = 0;
  for (const auto& [fd, target] : open_fds(pid)) count += target.starts_with("socket:") ? 1 : 0;
  return count;
}

inline SupervisorOptions with_handoff(SupervisorOptions options = {}) {
  options.flags.insert(options.flags.begin(), {"--idle", "handoff"});
  return options;
}

// One run; every test of it ends with the audit.
class HandoffRun : public ::testing::Test {
 protected:
  explicit HandoffRun(SupervisorOptions wanted = {}) : options(with_handoff(std::move(wanted))) {}

  void reload() {
    const Event verdict = run.reload();
    ASSERT_EQ(verdict.name(), "reload_done") << verdict.fields;
  }
  // Accepting is first come, first served: once a later connection has its answer, every earlier
  // one has been accepted by the only worker.
  void make_sure_all_are_accepted() { RawClient(address).get("/"); }
  void TearDown() override {
    expect_clean_stop(run);
    const AccessLog log = run.log();
    expect_stories_hold(log);
    EXPECT_TRUE(log.duplicates().empty());
    EXPECT_EQ(log.count("completion", "ok"), log.size());
    if (HasFailure()) ADD_FAILURE() << run.events().dump();
  }

  SupervisorOptions options;
  SupervisorRun run{options};
  std::string address = run.wait_ready().address();
  pid_t old_pid = run.worker_pid(1);
};

}  // namespace holdfast::testing
