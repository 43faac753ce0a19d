// streams_worker under a supervisor, and how tests talk to its handlers.
#pragma once

#include <algorithm>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/integration/http_fixture.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {

// The largest memory of a process over some time, in KiB; when it has ended, until then.
class MemoryPeak {
 public:
  explicit MemoryPeak(pid_t pid) : pid_(pid), peak_(rss_kib(pid)) {}
  void sample() {
    try {
      peak_ = std::max(peak_, rss_kib(pid_));
    } catch (const std::runtime_error&) {
    }
  }
  std::uint64_t kib() const { return peak_; }
  void expect_below(std::uint64_t bound) const {
    if (!programs_are_sanitized()) {
      EXPECT_LT(peak_, bound) << "KiB";
    }
  }

 private:
  pid_t pid_;
  std::uint64_t peak_ = 0;
};

// Bytes in which a loss, a repetition or a swap shows; never the same twice in a test.
inline std::string random_bytes(std::size_t size) {
  static std::mt19937_64 random(20261122);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

class StreamsTest : public HttpTest {
 protected:
  explicit StreamsTest(SupervisorOptions wanted = {}) : HttpTest(with_command(std::move(wanted))) {
    second_.get("/counts", "X-Request-ID: bystander\r\n");  // so it is accepted before a drain
  }

  static SupervisorOptions with_command(SupervisorOptions wanted) {
    wanted.command = {STREAMS_WORKER_PATH};
    return wanted;
  }

  void open_gate(const std::string& gate) {
    bystander.get("/open?" + gate, "X-Request-ID: bystander\r\n");
  }
  long count(const std::string& name) {
    const Response response = bystander.get("/counts", "X-Request-ID: bystander\r\n");
    return nlohmann::json::parse(response.body).value(name, 0L);
  }
  void wait_count(const std::string& name, long wanted) {
    ASSERT_TRUE(eventually([&] { return count(name) >= wanted; }, kCap)) << name;
  }
  // Of a worker that drains and has told its handlers so. A response that says close may overtake
  // what they are told; one to a request behind it cannot.
  long count_at_drain(const std::string& name) {
    while (!bystander.get("/counts", "X-Request-ID: bystander\r\n").says_close()) {
    }
    const Response response = second_.get("/counts", "X-Request-ID: bystander\r\n");
    EXPECT_TRUE(response.says_close());
    return nlohmann::json::parse(response.body).value(name, 0L);
  }
  // Its connection may send one more request to a draining worker.
  void expect_bystander_served_and_closed() {
    bystander.get("/", "X-Request-ID: bystander\r\n");
    EXPECT_EQ(bystander.wait_end(), End::Closed);
  }
  // Of the requests that were no bystander's.
  std::vector<AccessLog::Line> lines() const {
    std::vector<AccessLog::Line> found;
    const AccessLog log = run.log();
    for (const auto& line : log.lines())
      if (line.value("request_id", "") != "bystander") found.push_back(line);
    return found;
  }
  // Until so many lines of others than the bystander are there; the worker lives on.
  std::vector<AccessLog::Line> wait_lines(std::size_t wanted) {
    eventually([&] { return lines().size() >= wanted; }, kCap);
    return lines();
  }

  pid_t worker = run.worker_pid(1);

 private:
  RawClient second_{address};
};

}  // namespace holdfast::testing
