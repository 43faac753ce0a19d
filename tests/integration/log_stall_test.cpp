// A reader of the access log that stops reading for a while, at 1,000 requests a second: no request
// notices, and no line is lost. Three seconds; HOLDFAST_TEST_LOG_STALL=10 for the long form.
#include <condition_variable>
#include <csignal>
#include <fcntl.h>
#include <mutex>
#include <sys/ioctl.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class PausingReader {
 public:
  explicit PausingReader(UniqueFd pipe) : pipe_(std::move(pipe)), thread_([this] { read_all(); }) {}
  ~PausingReader() {
    pause(false);
    if (thread_.joinable()) thread_.join();
  }

  // Returns when the reader no longer reads, or may read again.
  void pause(bool on) {
    std::unique_lock lock(mutex_);
    wanted_ = on;
    changed_.notify_all();
    changed_.wait(lock, [&] { return paused_ == on || over_; });
  }
  int waiting() const {
    int bytes = 0;
    ::ioctl(pipe_.get(), FIONREAD, &bytes);
    return bytes;
  }
  const std::string& text() {  // after the last writer has gone
    thread_.join();
    return text_;
  }

 private:
  void read_all() {
    char some[4096];
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        paused_ = wanted_;
        changed_.notify_all();
        changed_.wait(lock, [this] { return !wanted_; });
        paused_ = false;
        changed_.notify_all();
      }
      const ssize_t got = ::read(pipe_.get(), some, sizeof some);
      if (got <= 0) break;
      text_.append(some, static_cast<std::size_t>(got));
    }
    const std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }

  UniqueFd pipe_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool wanted_ = false;
  bool paused_ = false;
  bool over_ = false;
  std::string text_;
  std::thread thread_;
};

TEST(LogStallTest, AReaderThatStopsForSecondsHoldsUpNoRequestAndMissesNoLine) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  UniqueFd write_end(ends[1]);
  PausingReader reader{UniqueFd(ends[0])};
  SupervisorRun run({.access_log = "stdout", .out = write_end.get()});
  write_end.reset();
  run.wait_ready();

  const auto seconds = static_cast<std::uint64_t>(rounds("HOLDFAST_TEST_LOG_STALL", 3));
  LoadOptions options;
  options.target = run.address();
  options.window = std::chrono::seconds(seconds);
  options.groups.push_back({.name = "n",
                            .mode = Mode::KeepAlive,
                            .connections = 40,
                            .think = {20ms, 60ms},  // 1,000 a second
                            .ids = true});
  LoadClient load(options);
  load.start();
  ASSERT_TRUE(load.wait_for_requests(1'000));
  reader.pause(true);
  load.mark();
  ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 1'000 * seconds, 120s));
  EXPECT_GT(reader.waiting(), 50'000) << "the pipe never filled: nothing was stalled";
  reader.pause(false);
  ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 1'000));
  const LoadResult result = load.finish();
  expect_no_failure(result);
  expect_clean_stop(run);
  expect_all_logged(AccessLog::parse(reader.text()), result);

  const auto ms = [](Nanos time) {
    return std::chrono::duration<double, std::milli>(time).count();
  };
  const auto p99 = [&](const Histogram& all) { return ms(all.percentile(0.99)); };
  const GroupResult total = result.total();
  ::testing::Test::RecordProperty("steady_p99_ms", std::to_string(p99(total.steady)));
  ::testing::Test::RecordProperty("stalled_p99_ms", std::to_string(p99(total.window)));
  EXPECT_GT(total.window.count(), 500 * seconds);
  // Whoever had waited for the reader would have waited for most of its pause. The tail between is
  // that of the scheduler, and of who else came to the machine meanwhile.
  EXPECT_LT(ms(total.window.max()), 500.0 * static_cast<double>(seconds));
  const double steady = ms(total.steady.percentile(0.5));
  EXPECT_LT(ms(total.window.percentile(0.5)),
            2 * steady + static_cast<double>(scaled(5ms).count()));
}

}  // namespace
}  // namespace holdfast::testing
