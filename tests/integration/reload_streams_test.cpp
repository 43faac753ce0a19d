// Promise 1 before every kind of client at once, reload after reload: short requests on kept and
// new connections, WebSockets, server-sent events, streamed downloads and uploads. Nobody fails;
// WebSockets are told to go away.
#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <thread>

#include "tests/integration/web_clients.hpp"
#include "tests/support/websocket_load.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

// Runs a client again and again on a thread of its own, until it is told to stop or it complains.
class Repeated {
 public:
  explicit Repeated(std::function<std::string()> once)  // "" when all was well
      : thread_([this, once = std::move(once)] {
          while (!stop_) {
            const std::string complaint = once();
            if (!complaint.empty()) {
              const std::lock_guard lock(mutex_);
              complaints_.push_back(complaint);
              break;
            }
            ++done_;
          }
        }) {}
  ~Repeated() { finish(); }
  void stop() { stop_ = true; }
  void finish() {
    stop();
    if (thread_.joinable()) thread_.join();
  }
  int done() const { return done_; }
  std::vector<std::string> complaints() const {
    const std::lock_guard lock(mutex_);
    return complaints_;
  }

 private:
  std::atomic<bool> stop_{false};
  std::atomic<int> done_{0};
  mutable std::mutex mutex_;
  std::vector<std::string> complaints_;
  std::thread thread_;
};

class ReloadStreamsTest : public WebClientsTest {};
INSTANTIATE_TEST_SUITE_P(Schemes, ReloadStreamsTest, ::testing::Values(Scheme::Http, Scheme::Https),
                         ::testing::PrintToStringParamName());

TEST_P(ReloadStreamsTest, NoClientOfAnyKindNotices) {
  // Each transfer takes about a second, so that every reload meets some in the middle.
  const std::string data = random_bytes(2'000'000);
  const std::string path = folder.write("data", data);
  Checksum sum;
  sum.add(data);
  start({"--max-old-generations", "30"});

  LoadOptions requests = brisk_load(address);
  requests.tls = secure();
  LoadClient load(requests);
  load.start();
  WebSocketLoad sockets(address, 4, secure());
  Repeated downloads([&] {
    const auto got = run_command(curl({"--limit-rate", "2M"}, "/files/data"));
    return got.status == exited(0) && got.out == data ? "" : "download: " + got.err;
  });
  const auto upload = curl({"--limit-rate", "2M", "-D", "-", "-T", path}, "/upload");
  Repeated uploads([&] {
    const auto got = run_command(upload);
    return got.status == exited(0) && says(got, "X-Checksum: " + sum.text() + "\r\n")
               ? ""
               : "upload: " + got.err + got.out;
  });
  Repeated streams([&] {
    const auto got = run_command(curl({}, "/stream?chunks=50&interval=20ms"));
    return got.status == exited(0) && got.out.ends_with("chunk 49\n") ? "" : "stream: " + got.err;
  });
  Repeated events([&] {
    const auto got = run_command(curl({"-N"}, "/events?interval=20ms"), {}, 60s);
    return got.status == exited(0) && says(got, "event: bye\n") ? "" : "events: " + got.err;
  });

  const auto all_progress = [&] {
    const int before[] = {downloads.done(), uploads.done(), streams.done()};
    const auto echoed = sockets.echoed();
    ASSERT_TRUE(load.wait_for_requests(load.requests_done() + 100));
    EXPECT_TRUE(eventually(
        [&] {
          const int now[] = {downloads.done(), uploads.done(), streams.done()};
          return sockets.echoed() > echoed + 20 &&
                 (now[0] > before[0] || now[1] > before[1] || now[2] > before[2]);
        },
        kCap));
  };
  all_progress();
  const int reloads = rounds("HOLDFAST_TEST_RELOADS", 5);
  for (int i = 0; i < reloads; ++i) {
    ASSERT_EQ(run->reload().name(), "reload_done") << run->events().dump();
    all_progress();
  }
  events.stop();  // the stop ends its last stream
  for (Repeated* client : {&downloads, &uploads, &streams}) client->finish();
  const WebSocketResult echoes = sockets.finish();
  const LoadResult result = load.finish();
  expect_clean_stop(*run);
  events.finish();

  expect_no_failure(result);
  for (const std::string& failure : echoes.failures) ADD_FAILURE() << "WebSocket " << failure;
  // A socket has its grace, longer than a reload takes: each of the four was told at least once.
  EXPECT_GE(echoes.going_away, 4u);
  for (const Repeated* client : {&downloads, &uploads, &streams, &events}) {
    for (const std::string& complaint : client->complaints()) ADD_FAILURE() << complaint;
    EXPECT_GE(client->done(), 1);
  }
  const AccessLog log = run->log();
  EXPECT_TRUE(log.bad().empty());
  EXPECT_TRUE(log.duplicates().empty());
  for (const auto& [name, group] : result.groups) EXPECT_EQ(log.complaint(name, group.begun), "");
  EXPECT_EQ(log.count("completion", "ok") + log.count("completion", "hijacked"), log.size());
}

}  // namespace
}  // namespace holdfast::testing
