#include "tests/support/load_client_recorder.hpp"

#include <algorithm>
#include <limits>

#include "tests/support/load_client_group.hpp"

namespace holdfast::testing {
namespace {

constexpr Nanos kBucket = std::chrono::milliseconds(10);
constexpr std::uint64_t kNobodyWaits = std::numeric_limits<std::uint64_t>::max();
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::min() / 2;

}  // namespace

Recorder::Recorder(const LoadOptions& options)
    : window_(options.window),
      max_examples_(options.max_examples),
      keep_answers_(options.keep_answers),
      latest_mark_(kNever),
      awaited_(kNobodyWaits) {
  result_.target = options.target;
}

void Recorder::begin(TimePoint now) { result_.started = now; }

void Recorder::answered(GroupResult& group, const Connection& connection, TimePoint now) {
  const ResponseReader& response = connection.response;
  ++group.answered;
  ++group.statuses[response.status()];
  if (!response.generation().empty()) {
    ++result_.generations[response.generation()];
    ++group.generations[response.generation()];
  }
  if (!response.worker().empty()) ++result_.workers[response.worker()];
  if (keep_answers_) {
    result_.answers.push_back({.group = connection.group->options.name,
                               .serial = connection.serial,
                               .worker = std::atoi(response.worker().c_str()),
                               .at = now - result_.started});
  }
}

void Recorder::ok(GroupResult& group, const Connection& connection, TimePoint now) {
  ++group.ok;
  const Nanos latency = now - connection.clock_started;
  (in_window(connection.clock_started, now) ? group.window : group.steady).record(latency);
  TimelineBucket& slot = bucket(now);
  ++slot.done;
  const auto us = std::chrono::duration_cast<std::chrono::microseconds>(latency).count();
  slot.max_us = std::max(slot.max_us, static_cast<std::uint32_t>(std::max<std::int64_t>(us, 0)));
  count_done();
}

void Recorder::failed(GroupResult& group, const Connection& connection, Failure failure,
                      TimePoint now) {
  ++group.failures[static_cast<std::size_t>(failure)];
  ++bucket(now).failed;
  if (result_.examples.size() < max_examples_) {
    result_.examples.push_back({.at = now - result_.started,
                                .group = connection.group->options.name,
                                .failure = failure,
                                .error = connection.error,
                                .status = connection.response.status(),
                                .served = connection.served,
                                .sent = connection.sent,
                                .serial = connection.serial,
                                .local_port = local_port(connection.socket.get())});
  }
  failures_.fetch_add(1, std::memory_order_release);
  count_done();
}

void Recorder::refused_after_stop(GroupResult& group, TimePoint now) {
  ++group.refused_after_stop;
  if (result_.first_refused < Nanos::zero()) result_.first_refused = now - result_.started;
}

// Counts, then looks whether anybody waits; wait_for() announces itself, then counts. Both are
// sequentially consistent, so at least one of the two sees the other.
void Recorder::count_done() {
  if (done_.fetch_add(1) + 1 < awaited_.load()) return;
  const std::lock_guard lock(mutex_);
  awaited_ = kNobodyWaits;
  reached_.notify_all();
}

bool Recorder::wait_for(std::uint64_t count, Nanos timeout) {
  std::unique_lock lock(mutex_);
  return reached_.wait_for(lock, timeout, [&] {
    awaited_ = std::min(awaited_.load(), count);
    return done_.load() >= count || over_;
  }) && done_.load() >= count;
}

void Recorder::mark(TimePoint instant) {
  const std::lock_guard lock(mutex_);
  marks_.push_back(instant);
  latest_mark_.store(instant.time_since_epoch().count(), std::memory_order_relaxed);
}

// The latest mark decides: a request that ended before it was recorded before it was set.
bool Recorder::in_window(TimePoint from, TimePoint to) const {
  const std::int64_t mark = latest_mark_.load(std::memory_order_relaxed);
  return to.time_since_epoch().count() >= mark &&
         from.time_since_epoch().count() < mark + window_.count();
}

TimelineBucket& Recorder::bucket(TimePoint now) {
  const auto index = static_cast<std::size_t>((now - result_.started) / kBucket);
  if (index >= result_.timeline.size()) result_.timeline.resize(index + 1);
  return result_.timeline[index];
}

LoadResult Recorder::finish(TimePoint now) {
  const std::lock_guard lock(mutex_);
  over_ = true;
  reached_.notify_all();
  result_.duration = now - result_.started;
  for (const TimePoint mark : marks_) result_.marks.push_back(mark - result_.started);
  return std::move(result_);
}

}  // namespace holdfast::testing
