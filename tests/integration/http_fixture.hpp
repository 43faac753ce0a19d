// One worker under a supervisor, and a bystander: a connection that must notice nothing of what a
// test does to the worker.
#pragma once

#include <string>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"

namespace holdfast::testing {

class HttpTest : public ::testing::Test {
 protected:
  explicit HttpTest(SupervisorOptions wanted = {}) : options(std::move(wanted)) {}

  // The only line about what the test did; its bystander's lines have an id of their own.
  AccessLog::Line stop_and_take_line() {
    expect_clean_stop(run);
    for (const Event& e : run.all("worker_exited"))
      EXPECT_EQ(e.fields.value("exit_code", -1), 0) << "the worker died of it: " << e.fields;
    const AccessLog log = run.log();
    EXPECT_TRUE(log.bad().empty()) << log.bad()[0];
    AccessLog::Line found;
    int count = 0;
    for (const auto& line : log.lines()) {
      if (line.value("request_id", "") == "bystander") continue;
      found = line;
      ++count;
    }
    EXPECT_EQ(count, 1) << "lines for one request; the last: " << found;
    return found;
  }
  void expect_bystander_served() {
    const Response response = bystander.get("/", "X-Request-ID: bystander\r\n");
    EXPECT_EQ(response.body, "Hello, world!");
    EXPECT_FALSE(response.says_close());
    EXPECT_EQ(run.count("worker_exited"), 0u) << "the worker died of it";
  }
  SupervisorOptions options;
  SupervisorRun run{options};
  std::string address = run.wait_ready().address();
  RawClient bystander{address};  // one connection, open all the time
};

}  // namespace holdfast::testing
