// Services that know nothing of holdfast's library: each example is reloaded twenty times under
// clients that open a connection for every request, and then stopped under them. Nobody notices.
#include <algorithm>
#include <chrono>
#include <csignal>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

std::string example(const std::string& file) { return std::string(EXAMPLES_PATH) + "/" + file; }

struct Service {
  std::string name;
  std::vector<std::string> command;
  std::vector<std::string> flags;
  std::string cwd = {};
};

std::ostream& operator<<(std::ostream& out, const Service& service) { return out << service.name; }

// As a deploy of today does it: the system's interpreter, not one of the developer's.
const std::string kPython = "/usr/bin/python3";
const std::string kDelay = "delay=300ms";

LoadOptions fresh_load(const std::string& address) {
  LoadOptions load;
  load.target = address;
  GroupOptions fresh;
  fresh.name = "fresh";
  fresh.mode = Mode::New;
  fresh.connections = 8;
  fresh.think = {0ms, 4ms};
  fresh.verify = Verify::Hello;
  load.groups.push_back(fresh);
  return load;
}

class AnyLanguageTest : public ::testing::TestWithParam<Service> {
 protected:
  static SupervisorOptions options() {
    SupervisorOptions options;
    options.flags = GetParam().flags;
    // They cannot pause: in a probation both generations accept.
    options.flags.insert(options.flags.end(), {"--probation", "100ms"});
    options.command = GetParam().command;
    options.workers = "2";
    options.cwd = GetParam().cwd;
    return options;
  }

  // A delay only supposes that a service is prepared to leave. A crowded machine may take longer,
  // and TERM would be its end then: what the delay stands for is waited for.
  static void wait_prepared(const SupervisorRun& run) {
    if (std::ranges::find(GetParam().flags, kDelay) == GetParam().flags.end()) return;
    for (const WorkerInfo& worker : run.started_workers(run.started_workers().back().generation)) {
      EXPECT_TRUE(eventually(
          [&] { return SignalSets::has(signals_of(worker.pid).caught, SIGTERM); }, kCap));
    }
  }
};

TEST_P(AnyLanguageTest, NoClientNoticesTwentyReloadsNorTheStop) {
  SupervisorRun run(options());
  run.wait_ready();
  wait_prepared(run);
  LoadClient load(fresh_load(run.address()));
  load.start();
  ASSERT_TRUE(load.wait_for_requests(50));
  const int reloads = rounds("HOLDFAST_TEST_RELOADS", 20);
  for (int i = 1; i <= reloads; ++i) {
    const Event verdict = run.reload();
    ASSERT_EQ(verdict.name(), "reload_done") << verdict.fields << run.events().dump();
    wait_prepared(run);
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 20));
  }
  load.expect_stop();
  expect_clean_stop(run);
  const LoadResult result = load.finish();
  expect_no_failure(result);
  for (const Event& e : run.all("worker_exited")) {
    EXPECT_EQ(e.fields.value("exit_code", -1), 0) << e.fields;
  }
  EXPECT_EQ(run.all("drained").size(), run.started_workers().size());
  std::printf("%s: %d reloads, %s\n", GetParam().name.c_str(), reloads, result.summary().c_str());
}

TEST_P(AnyLanguageTest, WhoWaitsInTheQueueAtAStopIsAnswered) {
  SupervisorOptions one = options();
  one.workers = "1";
  SupervisorRun run(one);
  run.wait_ready();
  wait_prepared(run);
  expect_queue_answered_at_stop(run, 8);
}

INSTANTIATE_TEST_SUITE_P(
    Services, AnyLanguageTest,
    ::testing::Values(
        Service{"python", {kPython, example("python_server.py")}, {"--protocol", "systemd"}},
        Service{"start_server",
                {kPython, example("python_server.py")},
                {"--protocol", "start_server", "--readiness", kDelay}},
        Service{"einhorn", {kPython, example("python_server.py")}, {"--protocol", "einhorn"}},
        Service{"node", {"node", example("node_server.js")}, {"--protocol", "systemd"}},
        Service{"gunicorn",
                {"/usr/bin/gunicorn", "--workers", "1", "wsgi_app:app"},
                {"--protocol", "systemd"},
                EXAMPLES_PATH}),
    [](const auto& instance) { return instance.param.name; });

}  // namespace
}  // namespace holdfast::testing
