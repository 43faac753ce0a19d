// A supervisor with `--metrics`, and what a scraper reads there.
#pragma once

#include <map>
#include <numeric>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {

// Series ("name{labels}") to value.
using Samples = std::map<std::string, double>;

inline Samples read_samples(const std::string& text) {
  Samples samples;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t space = line.rfind(' ');
    samples[line.substr(0, space)] = std::stod(line.substr(space + 1));
  }
  return samples;
}

class MetricsRun {
 public:
  explicit MetricsRun(SupervisorOptions options = {}, const std::string& address = "127.0.0.1:0")
      : run_(with_metrics(std::move(options), address)) {}

  SupervisorRun& operator*() { return run_; }
  SupervisorRun* operator->() { return &run_; }

  std::string address() { return run_.wait("metrics_started").text("address"); }
  pid_t pid() { return static_cast<pid_t>(run_.wait("metrics_started").number("pid")); }
  Response get(const std::string& path) { return RawClient(address()).get(path); }
  std::string text() {
    const Response response = get("/metrics");
    EXPECT_EQ(response.status, 200) << response.body;
    return response.body;
  }
  Samples samples() { return read_samples(text()); }
  bool eventually_answers(const std::string& path, int status) {
    return eventually([&] { return get(path).status == status; }, kCap);
  }
  bool eventually_says(const std::string& series, double value) {
    return eventually(
        [&] {
          const Samples now = samples();
          const auto found = now.find(series);
          return found != now.end() && found->second == value;
        },
        kCap);
  }

 private:
  static SupervisorOptions with_metrics(SupervisorOptions options, const std::string& address) {
    options.flags.insert(options.flags.end(), {"--metrics", address});
    return options;
  }
  SupervisorRun run_;
};

inline bool installed(const std::string& program) {
  return run_command({"sh", "-c", "command -v " + program}).status == exited(0);
}

}  // namespace holdfast::testing
