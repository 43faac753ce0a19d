// Promise 1, one connection at a time: each test holds a connection in one state while a reload
// passes over it.
#include <chrono>
#include <csignal>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class ReloadCrossingTest : public ::testing::Test {
 protected:
  // Long graces: the tests are about states, and a slow machine must not turn one into another.
  SupervisorRun run{{.flags = {"--new-grace", "10s", "--idle-grace", "2s"}}};
  std::string address = run.wait_ready().address();
  pid_t old_pid = run.worker_pid(1);
  RawClient probe{address};

  void SetUp() override { probe.get("/"); }
  // Returns when the old worker has been draining for a while: it said close in the response to a
  // request that took some time. Else a test would often be done before its connection is swept.
  void reload() {
    const Event verdict = run.reload();
    ASSERT_EQ(verdict.name(), "reload_done") << verdict.fields;
    ASSERT_NE(run.worker_pid(2), old_pid);
    while (!probe.get("/?duration=300ms").says_close()) {
    }
  }
  // Accepting is first come, first served: once a later connection has its answer, every earlier
  // one has been accepted by the only worker.
  void make_sure_all_are_accepted() { ASSERT_EQ(RawClient(address).get("/").pid(), old_pid); }
  void TearDown() override {
    expect_clean_stop(run);
    const AccessLog log = run.log();
    EXPECT_TRUE(log.bad().empty()) << log.bad()[0];
    EXPECT_TRUE(log.duplicates().empty());
    EXPECT_EQ(log.count("completion", "ok"), log.size());
  }
};

TEST_F(ReloadCrossingTest, NewConnectionsReachTheNewGeneration) {
  EXPECT_EQ(RawClient(address).get("/").generation(), 1);
  reload();
  const Response response = RawClient(address).get("/");
  EXPECT_EQ(response.generation(), 2);
  EXPECT_EQ(response.pid(), run.worker_pid(2));
  EXPECT_FALSE(response.says_close());
}

TEST_F(ReloadCrossingTest, ARequestInFlightEndsWhereItBegan) {
  RawClient client(address);
  client.get("/");
  client.send(get_request("/?duration=2s"));
  reload();
  const Response response = client.read_response();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, "Hello, world!");
  EXPECT_EQ(response.pid(), old_pid);
  EXPECT_TRUE(response.says_close()) << "the client would send its next request into a close";
  EXPECT_EQ(client.wait_end(), End::Closed);
}

TEST_F(ReloadCrossingTest, AStreamedResponseArrivesWhole) {
  RawClient client(address);
  client.send(get_request("/stream?chunks=20&interval=50ms"));
  Response response = client.read_head();
  reload();
  client.read_body(response);
  EXPECT_EQ(response.chunks, 20);
  EXPECT_EQ(response.pid(), old_pid);
}

TEST_F(ReloadCrossingTest, ABigResponseToASlowReaderArrivesWhole) {
  const std::string body(900'000, 'b');  // more than the socket buffers take at once
  RawClient client(address);
  client.get("/");
  client.send(post_request("/echo", body));
  const Response head = client.read_head();  // the rest waits in the worker
  reload();
  ASSERT_EQ(run.reload().number("generation"), 3);
  Response response = head;
  client.read_body(response);
  EXPECT_EQ(response.body, body);
  EXPECT_EQ(response.pid(), old_pid);
}

TEST_F(ReloadCrossingTest, AnUploadIsReadToItsEnd) {
  const std::string half(256 << 10, 'x');
  RawClient client(address);
  client.send("POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: " +
              std::to_string(2 * half.size()) + "\r\n\r\n");
  client.send(half);
  make_sure_all_are_accepted();
  reload();
  client.send(half);
  const Response response = client.read_response();
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.pid(), old_pid);
  EXPECT_EQ(nlohmann::json::parse(response.body).at("bytes"), 2 * half.size());
}

TEST_F(ReloadCrossingTest, AConnectionThatHasSentNothingIsStillOwedItsAnswer) {
  RawClient silent(address);
  make_sure_all_are_accepted();
  reload();
  EXPECT_EQ(silent.get("/").body, "Hello, world!");
}

TEST_F(ReloadCrossingTest, AConnectionThatIsStillQueuedIsAcceptedByTheNewGeneration) {
  ::kill(old_pid, SIGSTOP);  // nobody accepts
  RawClient queued(address);
  queued.send(get_request("/"));
  const std::size_t from = run.mark();
  run.signal(SIGHUP);
  run.wait("worker_ready", from);
  const Response response = queued.read_response();
  ::kill(old_pid, SIGCONT);
  EXPECT_EQ(response.generation(), 2);
  run.wait("reload_done", from);
}

TEST_F(ReloadCrossingTest, AHalfSentHeadIsAnswered) {
  RawClient client(address);
  client.send("GET / HTTP/1.1\r\nHo");
  make_sure_all_are_accepted();
  reload();
  client.send("st: test\r\n\r\n");
  EXPECT_EQ(client.read_response().body, "Hello, world!");
}

TEST_F(ReloadCrossingTest, AnIdleConnectionMaySendOneMoreRequestAndIsToldToClose) {
  RawClient idle(address);
  idle.get("/");
  reload();
  const Response response = idle.post("/echo", "not to be sent twice");
  EXPECT_EQ(response.body, "not to be sent twice");
  if (response.pid() == old_pid) {
    EXPECT_TRUE(response.says_close());
    EXPECT_EQ(idle.wait_end(), End::Closed);
  }
}

TEST_F(ReloadCrossingTest, AnIdleConnectionIsClosedInOrderAndCounted) {
  RawClient idle(address);
  idle.get("/");
  reload();
  EXPECT_EQ(idle.wait_end(), End::Closed);
  const Event drained = run.wait("drained");
  EXPECT_EQ(drained.number("generation"), 1);
  EXPECT_EQ(drained.number("closed_idle"), 1);
  EXPECT_EQ(drained.number("cut"), 0);
}

TEST_F(ReloadCrossingTest, PipelinedRequestsAreAllAnsweredInOrder) {
  constexpr int kRequests = 20;
  std::string requests;
  for (int i = 0; i < kRequests; ++i) {
    requests += post_request("/echo?duration=30ms", std::to_string(i));
  }
  RawClient client(address);
  client.send(requests);
  EXPECT_EQ(client.read_response().body, "0");
  reload();
  for (int i = 1; i < kRequests; ++i) {
    const Response response = client.read_response();
    ASSERT_EQ(response.body, std::to_string(i));
    if (response.says_close()) {
      ASSERT_EQ(i, kRequests - 1) << "what follows a close is lost";
    }
  }
}

TEST_F(ReloadCrossingTest, ASecondReloadLeavesTheFirstDrainAlone) {
  RawClient client(address);
  client.get("/");
  client.send(get_request("/?duration=2s"));
  reload();
  ASSERT_EQ(run.reload().number("generation"), 3);
  EXPECT_EQ(client.read_response().pid(), old_pid);
}

TEST(ReloadCommandTest, AFlippedLinkTakesEffectAndSoDoesItsEnvironment) {
  const TempDir files;
  Releases releases(files);
  releases.add("v1", "export RELEASE=one\nexec \"$DEMO\" \"$@\"");
  releases.add("v2", "export RELEASE=two\nexec \"$DEMO\" \"$@\"");
  releases.flip("v1");
  SupervisorRun run({.command = {releases.command()}});
  run.wait_ready();
  const auto release_of = [&] {
    return environment_of(RawClient(run.address()).get("/").pid()).at("RELEASE");
  };
  EXPECT_EQ(release_of(), "one");
  releases.flip("v2");
  EXPECT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(release_of(), "two");

  // A worker that crashes is replaced by its like, not by what the link says now.
  releases.flip("v1");
  const std::size_t from = run.mark();
  ::kill(run.worker_pid(2), SIGKILL);
  run.wait("worker_ready", from);
  EXPECT_EQ(release_of(), "two");
  expect_clean_stop(run);
}

TEST(ReloadCommandTest, TheWorkingDirectoryIsResolvedAnewThroughItsLink) {
  const TempDir files;
  files.write("v1/mark", "");
  files.write("v2/mark", "");
  files.link("current", files.file("v1"));
  SupervisorRun run({.flags = {"--cwd", files.file("current")}});
  run.wait_ready();
  const auto cwd_of = [](pid_t pid) {
    return std::filesystem::read_symlink("/proc/" + std::to_string(pid) + "/cwd").string();
  };
  EXPECT_EQ(cwd_of(run.worker_pid(1)), files.file("v1"));
  files.link("current", files.file("v2"));
  EXPECT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(cwd_of(run.worker_pid(2)), files.file("v2"));
  expect_clean_stop(run);
}

}  // namespace
}  // namespace holdfast::testing
