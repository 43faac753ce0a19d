// What a run of the load client has seen: the only writer of its LoadResult. The record functions
// belong to the thread of the run; the functions named under "any thread" do not.
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "tests/support/load_client.hpp"
#include "tests/support/load_client_connection.hpp"

namespace holdfast::testing {

class Recorder {
 public:
  explicit Recorder(const LoadOptions& options);

  void begin(TimePoint now);
  // A whole response has come; counts it and what its headers say.
  void answered(GroupResult& group, const Connection& connection, TimePoint now);
  void ok(GroupResult& group, const Connection& connection, TimePoint now);
  void failed(GroupResult& group, const Connection& connection, Failure failure, TimePoint now);
  void refused_after_stop(GroupResult& group, TimePoint now);
  void opened() { open_.fetch_add(1, std::memory_order_relaxed); }
  void closed() { open_.fetch_sub(1, std::memory_order_relaxed); }
  void parked() { parked_.fetch_add(1, std::memory_order_relaxed); }
  void unparked() { parked_.fetch_sub(1, std::memory_order_relaxed); }
  void awoke() { awake_.fetch_add(1, std::memory_order_relaxed); }
  void fell_asleep() { awake_.fetch_sub(1, std::memory_order_relaxed); }
  void woken(std::uint64_t wakes) { wakes_.store(wakes, std::memory_order_release); }
  LoadResult finish(TimePoint now);

  // Any thread.
  void mark(TimePoint instant);
  std::uint64_t done() const { return done_.load(std::memory_order_acquire); }
  std::uint64_t failures() const { return failures_.load(std::memory_order_acquire); }
  std::uint64_t open() const { return open_.load(std::memory_order_relaxed); }
  std::uint64_t parked_now() const { return parked_.load(std::memory_order_relaxed); }
  std::uint64_t awake_now() const { return awake_.load(std::memory_order_relaxed); }
  std::uint64_t wakes() const { return wakes_.load(std::memory_order_acquire); }
  bool over() const { return over_.load(std::memory_order_acquire); }
  bool wait_for(std::uint64_t count, Nanos timeout);

 private:
  bool in_window(TimePoint from, TimePoint to) const;
  TimelineBucket& bucket(TimePoint now);
  void count_done();

  const Nanos window_;
  const std::size_t max_examples_;
  const bool keep_answers_;
  LoadResult result_;
  std::atomic<std::int64_t> latest_mark_;
  std::atomic<std::uint64_t> done_{0};
  std::atomic<std::uint64_t> failures_{0};
  std::atomic<std::uint64_t> open_{0};
  std::atomic<std::uint64_t> parked_{0};
  std::atomic<std::uint64_t> awake_{0};
  std::atomic<std::uint64_t> wakes_{0};

  std::atomic<bool> over_{false};
  std::atomic<std::uint64_t> awaited_;
  std::mutex mutex_;  // protects what follows
  std::condition_variable reached_;
  std::vector<TimePoint> marks_;
};

}  // namespace holdfast::testing
