// Promise 3: a stop loses nothing that was accepted. Stops that meet a reload are in
// stop_phases_test.cpp.
#include <chrono>
#include <csignal>
#include <functional>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "shared/io/syscall.hpp"
#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

TEST(StopTest, UnderLoadEveryAcceptedRequestIsAnswered) {
  std::uint64_t answered = 0;
  const int stops = rounds("HOLDFAST_TEST_STOPS", 10);
  for (int i = 0; i < stops; ++i) {
    SupervisorRun run({.workers = "2"});
    run.wait_ready();
    LoadOptions options = brisk_load(run.address());
    options.groups.push_back({.name = "rush", .mode = Mode::New, .connections = 32, .ids = true});
    options.groups.push_back({.name = "slow",
                              .mode = Mode::KeepAlive,
                              .connections = 4,
                              .ids = true,
                              .path = "/?duration=200ms",
                              .verify = Verify::Hello});
    LoadClient load(options);
    load.start();
    ASSERT_TRUE(load.wait_for_requests(1000));
    load.expect_stop();
    expect_clean_stop(run);
    const LoadResult result = load.finish();
    expect_no_failure(result);
    expect_all_logged(run.log(), result);
    answered += result.total().ok;
    ASSERT_FALSE(::testing::Test::HasFailure()) << "at stop " << i + 1;
  }
  std::printf("%d stops, %lu requests answered, none failed\n", stops, answered);
}

TEST(StopTest, TermIntAndQuitAllStopGracefully) {
  for (const int number : {SIGTERM, SIGINT, SIGQUIT}) {
    SupervisorRun run;
    run.wait_ready();
    RawClient client(run.address());
    client.get("/");
    client.send(get_request("/?duration=300ms"));
    run.signal(number);
    EXPECT_EQ(run.wait_exit(), exited(0)) << "signal " << number;
    EXPECT_EQ(client.read_response().body, "Hello, world!") << "signal " << number;
    EXPECT_EQ(run.leftovers(), "");
  }
}

TEST(StopTest, ARequestInFlightIsAnsweredAndNewClientsAreRefused) {
  SupervisorRun run;
  run.wait_ready();
  const std::string address = run.address();
  RawClient client(address);
  client.get("/");
  client.send(get_request("/?duration=2s"));
  run.signal(SIGTERM);
  // Accepting ends at some time before the drain does: a client from then on is refused, and until
  // then it is answered. Nobody is accepted and reset.
  int served = 0;
  for (bool refused = false; !refused;) {
    try {
      RawClient late(address);
      if (late.get("/").status == 200) ++served;
    } catch (const ConnectRefused&) {
      refused = true;
    }
    ASSERT_TRUE(is_alive(run.pid())) << "the port was never refused before the end";
  }
  const Response response = client.read_response();
  EXPECT_EQ(response.status, 200);
  EXPECT_TRUE(response.says_close());
  EXPECT_EQ(client.wait_end(), End::Closed);
  EXPECT_EQ(run.wait_exit(), exited(0));
  EXPECT_EQ(run.leftovers(), "");
  std::printf("%d late clients were served, the next was refused\n", served);
}

TEST(StopTest, AConnectionThatHasSentNothingIsStillOwedItsAnswer) {
  SupervisorRun run({.flags = {"--new-grace", "10s"}});
  run.wait_ready();
  const std::string address = run.address();
  RawClient silent(address);
  RawClient half(address);
  half.send("GET / HTTP/1.1\r\nHo");
  RawClient(address).get("/");  // so both are accepted
  run.signal(SIGTERM);
  run.wait("stopping");
  EXPECT_EQ(silent.get("/").body, "Hello, world!");
  half.send("st: test\r\n\r\n");
  EXPECT_EQ(half.read_response().body, "Hello, world!");
  EXPECT_EQ(run.wait_exit(), exited(0));
}

TEST(StopTest, WhatIsQueuedIsAcceptedAndAnswered) {
  SupervisorRun run;
  run.wait_ready();
  expect_queue_answered_at_stop(run, 50);
}

// A connect whose SYN-ACK is lost, until it is let through: what SYN_RECV looks like from outside.
class LossyClient {
 public:
  explicit LossyClient(const std::string& address)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sock_filter nothing{BPF_RET | BPF_K, 0, 0, 0};
    const sock_fprog filter{1, &nothing};
    EXPECT_EQ(::setsockopt(fd_.get(), SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter), 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port =
        htons(static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to);
  }
  void let_through() {
    const int ignored = 0;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_DETACH_FILTER, &ignored, sizeof ignored);
  }
  // The whole answer to one request.
  std::string get() {
    EXPECT_TRUE(wait_writable(fd_.get(), kCap));
    write_fully(fd_.get(), get_request("/"));
    std::string all(4096, '\0');
    std::size_t size = 0;
    while (size < all.size() && wait_readable(fd_.get(), kCap)) {
      const ssize_t n = ::read(fd_.get(), all.data() + size, all.size() - size);
      if (n <= 0) break;
      size += static_cast<std::size_t>(n);
    }
    return all.substr(0, size);
  }

 private:
  UniqueFd fd_;
};

TEST(StopTest, HandshakesUnderWayAreWaitedForAndAnswered) {
  SupervisorRun run({.flags = {"--syn-wait", "20s"}});
  run.wait_ready();
  const std::string address = run.address();
  std::vector<std::unique_ptr<LossyClient>> clients;
  for (int i = 0; i < 50; ++i) clients.push_back(std::make_unique<LossyClient>(address));
  run.signal(SIGTERM);
  run.wait("stopping");
  EXPECT_EQ(run.count("drained"), 0u);
  for (auto& client : clients) client->let_through();  // the next SYN-ACK, after a second
  for (auto& client : clients) EXPECT_TRUE(client->get().ends_with("Hello, world!"));
  EXPECT_EQ(run.wait_exit(), exited(0));
  EXPECT_EQ(run.count("queues_not_empty"), 0u);
  EXPECT_EQ(run.log().size(), 50u);
}

TEST(StopTest, AHandshakeThatNeverEndsIsGivenUpAtSynWaitAndCounted) {
  SupervisorRun run({.flags = {"--syn-wait", "200ms"}});
  run.wait_ready();
  const LossyClient lost(run.address());
  const TimePoint begun = Clock::now();
  EXPECT_EQ(run.stop(), exited(0));
  EXPECT_GE(Clock::now() - begun, 200ms);
  EXPECT_EQ(run.wait("queues_not_empty").number("half_open"), 1);
}

TEST(StopTest, IdleClientsDoNotHoldUpAStop) {
  SupervisorRun run;
  run.wait_ready();
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 100; ++i) {
    idle.push_back(std::make_unique<RawClient>(run.address()));
    idle.back()->get("/");
  }
  const TimePoint begun = Clock::now();
  run.signal(SIGTERM);
  EXPECT_EQ(run.wait_exit(), exited(0));
  const auto took = std::chrono::duration_cast<Millis>(Clock::now() - begun);
  // The grace of a stop is 100 ms; what else could be waited for takes 30 s and more.
  EXPECT_LE(took, scaled(3s)) << took.count() << " ms";
  for (auto& client : idle) EXPECT_EQ(client->wait_end(), End::Closed);
  EXPECT_EQ(run.wait("drained").number("closed_idle"), 100);
  std::printf("stop with 100 idle clients: %ld ms\n", took.count());
}

TEST(StopTest, ASecondTermEndsAtOnceAndSaysWhatItCut) {
  for (const int second : {SIGTERM, SIGINT}) {
    SupervisorRun run;
    run.wait_ready();
    RawClient client(run.address());
    client.get("/");
    client.send(get_request("/?duration=600s"));
    run.signal(SIGTERM);
    run.wait("stopping");
    run.signal(second);
    EXPECT_EQ(run.wait_exit(), exited(0));
    EXPECT_NE(client.wait_end(), End::StillOpen);
    EXPECT_EQ(run.leftovers(), "");
    const Event stopped = run.wait("stopped");
    EXPECT_GE(stopped.number("cut") + stopped.number("killed"), 1) << stopped.fields;
  }
}

TEST(StopTest, StopTimeoutCutsWhatIsLeftAndLogsIt) {
  SupervisorRun run({.flags = {"--stop-timeout", "300ms"}});
  run.wait_ready();
  RawClient waiting(run.address());
  waiting.get("/");
  waiting.send(get_request("/?duration=600s", "X-Request-ID: waiting\r\n"));
  RawClient streaming(run.address());
  streaming.send(get_request("/stream?chunks=100000&interval=20ms", "X-Request-ID: streaming\r\n"));
  streaming.read_head();
  const TimePoint begun = Clock::now();
  EXPECT_EQ(run.stop(), exited(0));
  EXPECT_GE(Clock::now() - begun, 300ms);
  EXPECT_LT(Clock::now() - begun, scaled(5s));
  EXPECT_EQ(run.leftovers(), "");
  EXPECT_EQ(run.wait("drained").number("cut"), 2);
  EXPECT_EQ(run.wait("stopped").number("cut"), 2);
  const AccessLog log = run.log();
  EXPECT_EQ(log.only("request_id", "waiting").at("completion"), "cut");
  EXPECT_EQ(log.only("request_id", "waiting").at("http_status_code"), 503);
  EXPECT_EQ(log.only("request_id", "streaming").at("completion"), "cut");
  EXPECT_EQ(log.only("request_id", "streaming").at("http_status_code"), 200);
}

// The download's own pace drives the upload.
void expect_transfers_cross_stop_timeout(SupervisorRun& run, const std::function<void()>& begin) {
  constexpr int kChunks = 60;  // 3 s
  RawClient stuck(run.address());
  RawClient download(run.address());
  RawClient upload(run.address());
  stuck.get("/");
  stuck.send(get_request("/?duration=600s"));
  upload.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(kChunks) +
              "\r\n\r\n");
  download.send(get_request("/stream?interval=50ms&chunks=" + std::to_string(kChunks)));
  download.read_head();
  const TimePoint begun = Clock::now();
  begin();
  for (int i = 0; i < kChunks; ++i) {
    download.read_until("chunk " + std::to_string(i) + "\n");
    upload.send("u");
  }
  EXPECT_EQ(download.read_until("0\r\n\r\n"), "\r\n0\r\n\r\n");
  const Response uploaded = upload.read_response();
  EXPECT_EQ(uploaded.status, 200);
  EXPECT_EQ(uploaded.body, "{\"bytes\":60}\n");
  EXPECT_GE(Clock::now() - begun, 2s);
  EXPECT_EQ(stuck.read_response().status, 503);
  EXPECT_LT(Clock::now() - begun, scaled(8s)) << "nobody is waited for any more";
  const Event drained = run.wait("drained");
  EXPECT_EQ(drained.number("cut"), 1);
  EXPECT_EQ(drained.number("served"), 2);
}

SupervisorOptions with_overtime() {
  return {.flags = {"--stop-timeout", "1s", "--stop-timeout-max", "25s"}};
}

TEST(StopTest, TransfersThatMoveCrossStopTimeoutAndAStuckOneIsCutThere) {
  SupervisorRun run(with_overtime());
  run.wait_ready();
  expect_transfers_cross_stop_timeout(run, [&] { run.signal(SIGTERM); });
  EXPECT_EQ(run.wait_exit(), exited(0));
  EXPECT_EQ(run.leftovers(), "");
  EXPECT_EQ(run.wait("stopped").number("cut"), 1);
  EXPECT_EQ(run.wait("stopped").number("killed"), 0);
}

TEST(StopTest, AReloadsTransfersCrossStopTimeoutToo) {
  SupervisorRun run(with_overtime());
  run.wait_ready();
  expect_transfers_cross_stop_timeout(run, [&] { run.reload(); });
  EXPECT_EQ(run.wait("generation_drained").number("killed"), 0);
  expect_clean_stop(run);
}

TEST(StopTest, ReloadsDrainHasTheSameDeadline) {
  SupervisorRun run({.flags = {"--stop-timeout", "300ms"}});
  run.wait_ready();
  RawClient waiting(run.address());
  waiting.get("/");
  waiting.send(get_request("/?duration=600s"));
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(run.wait("drained").number("cut"), 1);
  EXPECT_EQ(RawClient(run.address()).get("/").generation(), 2);
  EXPECT_EQ(run.stop(), exited(0));
  EXPECT_EQ(run.leftovers(), "");
}

TEST(StopTest, AWorkerThatDoesNotLeaveIsKilled) {
  SupervisorRun run({.flags = {"--stop-timeout", "100ms", "--kill-timeout", "200ms"}});
  run.wait_ready();
  ::kill(run.worker_pid(1), SIGSTOP);
  EXPECT_EQ(run.stop(), exited(0));
  EXPECT_EQ(run.leftovers(), "");
  EXPECT_EQ(run.wait("worker_exited").number("signal"), SIGKILL);
}

TEST(StopTest, AUnixListenerAnswersItsQueueAndUnlinksItsPath) {
  const TempDir files;
  const std::string path = files.file("http.sock");
  SupervisorRun run({.listen = {"unix:" + path}});
  run.wait_ready();
  EXPECT_EQ(RawClient("unix:" + path).get("/").body, "Hello, world!");
  const pid_t worker = run.worker_pid(1);
  ::kill(worker, SIGSTOP);
  RawClient queued("unix:" + path);
  queued.send(get_request("/"));
  run.signal(SIGTERM);
  run.wait("stopping");
  ::kill(worker, SIGCONT);
  EXPECT_EQ(queued.read_response().body, "Hello, world!");
  EXPECT_EQ(run.wait_exit(), exited(0));
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(run.leftovers(), "");
  EXPECT_EQ(run.log().count("remote_ipaddr", "unix:"), 2u);
}

TEST(StopTest, AUnixPathThatASuccessorTookIsLeftAlone) {
  const TempDir files;
  const std::string path = files.file("http.sock");
  SupervisorRun first({.listen = {"unix:" + path}});
  first.wait_ready();
  std::filesystem::remove(path);
  SupervisorRun second({.listen = {"unix:" + path}});
  second.wait_ready();
  expect_clean_stop(first);
  EXPECT_EQ(RawClient("unix:" + path).get("/").body, "Hello, world!");
  expect_clean_stop(second);
}

TEST(StopTest, ThePidFileIsThereWhileItServes) {
  const TempDir files;
  const std::string path = files.file("pid");
  {
    SupervisorRun run(
        {.flags = {"--pid-file", path}, .command = {demo_path(), "--ready-delay", "200ms"}});
    run.wait("worker_started");
    EXPECT_FALSE(std::filesystem::exists(path)) << "written before the first ready";
    run.wait_ready();
    EXPECT_EQ(RawClient(run.address()).get("/").status, 200);
    EXPECT_EQ(read_text(path), std::to_string(run.pid()) + "\n");
    expect_clean_stop(run);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace holdfast::testing
