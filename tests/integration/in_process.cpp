#include "tests/integration/in_process.hpp"

#include <gtest/gtest.h>

#include "shared/io/bind_listener.hpp"

namespace holdfast::testing {

void RecordedStats::bump_sum(std::string_view key, double value) {
  const std::lock_guard lock(mutex_);
  sums_[std::string(key)] += value;
}
void RecordedStats::bump_avg(std::string_view key, double value) {
  const std::lock_guard lock(mutex_);
  averages_[std::string(key)].push_back(value);
}
void RecordedStats::bump_histogram(std::string_view, double) {}
void RecordedStats::bump_time(std::string_view key, std::chrono::nanoseconds took) {
  const std::lock_guard lock(mutex_);
  times_[std::string(key)].push_back(took);
}
double RecordedStats::sum(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = sums_.find(key);
  return found == sums_.end() ? 0 : found->second;
}
std::vector<double> RecordedStats::averages(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = averages_.find(key);
  return found == averages_.end() ? std::vector<double>{} : found->second;
}
std::vector<std::chrono::nanoseconds> RecordedStats::times(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  const auto found = times_.find(key);
  return found == times_.end() ? std::vector<std::chrono::nanoseconds>{} : found->second;
}

worker::Server::ConnectionHook RecordedStates::hook() {
  return [this](const worker::ConnectionInfo& info, worker::ConnectionState from,
                worker::ConnectionState to) {
    const std::lock_guard lock(mutex_);
    all_.push_back(std::to_string(info.number) + " " + std::string(to_string(from)) + ">" +
                   std::string(to_string(to)));
    ++counts_[to];
    changed_.notify_all();
  };
}

std::vector<std::string> RecordedStates::all() const {
  const std::lock_guard lock(mutex_);
  return all_;
}

bool RecordedStates::wait(worker::ConnectionState state, std::size_t times, Millis cap) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, cap, [&] {
    const auto found = counts_.find(state);
    return found != counts_.end() && found->second >= times;
  });
}

worker::StreamHandler HeldHandler::handler() {
  return [this](const worker::Request&, worker::ResponseWriter& response, worker::Done done) {
    response.content_length(size_);
    response.write(std::string(size_ / 2, 'x'));
    response.flush();
    const std::lock_guard lock(mutex_);
    end_ = [this, &response, done] {
      response.write(std::string(size_ - size_ / 2, 'x'));
      done(nullptr);
    };
    changed_.notify_all();
  };
}

bool HeldHandler::wait_held(Millis cap) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, cap, [this] { return end_ != nullptr; });
}

std::function<void()> HeldHandler::take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(end_, nullptr);
}

int listen_anywhere() { return bind_listener(TcpAddress{"127.0.0.1", 0}).value().fd.release(); }

std::string serve_anywhere(worker::Server& server) {
  const auto failure = server.listen_and_serve("127.0.0.1:0");
  EXPECT_FALSE(failure) << failure->message;
  return server.addresses().at(0);
}

}  // namespace holdfast::testing
