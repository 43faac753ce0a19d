// A server inside the test's own process: what it tells its user is recorded, and a handler of a
// test's can be held and let go.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "holdfast/worker/server.hpp"
#include "holdfast/worker/stats.hpp"
#include "tests/support/child_process.hpp"

namespace holdfast::testing {

class RecordedStats final : public worker::StatsSink {
 public:
  void bump_sum(std::string_view key, double value) override;
  void bump_avg(std::string_view key, double value) override;
  void bump_histogram(std::string_view key, double value) override;
  void bump_time(std::string_view key, std::chrono::nanoseconds took) override;

  double sum(const std::string& key) const;  // 0 when it never came
  std::vector<double> averages(const std::string& key) const;
  std::vector<std::chrono::nanoseconds> times(const std::string& key) const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, double> sums_;
  std::map<std::string, std::vector<double>> averages_;
  std::map<std::string, std::vector<std::chrono::nanoseconds>> times_;
};

// The states of all connections, as "1 new>active".
class RecordedStates {
 public:
  worker::Server::ConnectionHook hook();
  std::vector<std::string> all() const;
  // False when `cap` has passed before so many connections ever came to `state`.
  bool wait(worker::ConnectionState state, std::size_t times = 1, Millis cap = kCap) const;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::vector<std::string> all_;
  std::map<worker::ConnectionState, std::size_t> counts_;
};

// A streaming handler that writes the first half of its body, with a length, and waits.
class HeldHandler {
 public:
  explicit HeldHandler(std::size_t size) : size_(size) {}
  worker::StreamHandler handler();
  // Once a request is in it: writes the rest and is done, on the server's thread `io` posts to.
  bool wait_held(Millis cap = kCap);
  std::function<void()> take();  // what ends it; call it on the server's thread

 private:
  const std::size_t size_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> end_;
};

// Serves on a free port of 127.0.0.1 and returns the address.
std::string serve_anywhere(worker::Server& server);

// A listening socket on a free port of 127.0.0.1, for serve(); the caller owns it.
int listen_anywhere();

}  // namespace holdfast::testing
