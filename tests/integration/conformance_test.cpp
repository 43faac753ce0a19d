// Rows of docs/conformance.md that no other suite has a reason to test.
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <unistd.h>

#include <gtest/gtest.h>

#include "tests/integration/in_process.hpp"
#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

// The demo without a supervisor.
class ServerAloneTest : public ::testing::Test {
 protected:
  void start() {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd reader(ends[0]);
    const UniqueFd writer(ends[1]);
    demo.emplace(
        ChildOptions{.argv = {demo_path(), "--listen", "127.0.0.1:0", "--access-log", log_path},
                     .err = writer.get()});
    std::string said;
    while (!said.ends_with('\n')) {
      char byte = 0;
      ASSERT_TRUE(wait_readable(reader.get(), kCap));
      ASSERT_EQ(::read(reader.get(), &byte, 1), 1) << said;
      said += byte;
    }
    address = said.substr(said.rfind(' ') + 1, said.size() - said.rfind(' ') - 2);
  }

  const TempDir files;
  const std::string log_path = files.file("access.log");
  std::optional<ChildProcess> demo;
  std::string address;
};

TEST_F(ServerAloneTest, TermFinishesWhatItHasRefusesOthersAndExitsWithZero) {
  for (const int number : {SIGTERM, SIGINT}) {
    start();
    RawClient client(address);
    client.get("/");
    client.send(get_request("/?duration=2s"));
    demo->signal(number);
    EXPECT_TRUE(eventually([&] { return is_refused(address); }));
    const Response last = client.read_response();
    EXPECT_EQ(last.status, 200);
    EXPECT_TRUE(last.says_close());
    EXPECT_EQ(demo->wait_exit(), exited(0));
  }
}

TEST_F(ServerAloneTest, ASecondTermCuts) {
  start();
  RawClient client(address);
  client.get("/");
  client.send(get_request("/?duration=600s", "X-Request-ID: long\r\n"));
  demo->signal(SIGTERM);
  EXPECT_TRUE(eventually([&] { return is_refused(address); }));
  demo->signal(SIGTERM);
  EXPECT_EQ(client.read_response().status, 503);
  EXPECT_EQ(demo->wait_exit(), exited(0));
  EXPECT_EQ(AccessLog::read(log_path).only("request_id", "long")["completion"], "cut");
}

TEST_F(ServerAloneTest, Usr1ReopensTheLog) {
  start();
  RawClient client(address);
  client.get("/", "X-Request-ID: early\r\n");
  const std::string aside = files.file("aside");
  std::filesystem::rename(log_path, aside);
  demo->signal(SIGUSR1);
  EXPECT_TRUE(eventually([&] { return std::filesystem::exists(log_path); }));
  client.get("/", "X-Request-ID: late\r\n");
  demo->signal(SIGTERM);
  EXPECT_EQ(demo->wait_exit(), exited(0));
  EXPECT_EQ(AccessLog::read(aside).count("request_id", "early"), 1U);
  EXPECT_EQ(AccessLog::read(log_path).count("request_id", "late"), 1U);
}

// One address, two files: what was logged before the call is in the renamed one only.
TEST(ServerInProcessTest, TheLogIsReopenedWhenTheProgramSaysSo) {
  const TempDir files;
  const std::string path = files.file("access.log");
  worker::Server server({.access_log = path});
  ASSERT_FALSE(server.listen_and_serve("127.0.0.1:0"));
  RawClient client(server.addresses().at(0));
  client.get("/early");
  const std::string aside = files.file("aside");
  std::filesystem::rename(path, aside);
  EXPECT_FALSE(server.reopen_log());
  client.get("/late");
  server.stop();
  EXPECT_EQ(AccessLog::read(aside).lines().size(), 1U);
  EXPECT_EQ(AccessLog::read(aside).count("url", "/early"), 1U);
  EXPECT_EQ(AccessLog::read(path).lines().size(), 1U);
  EXPECT_EQ(AccessLog::read(path).count("url", "/late"), 1U);
}

TEST(ServerInProcessTest, WithoutKeepAliveEachConnectionIsClosedInOrderAfterItsRequest) {
  RecordedStates states;
  worker::Server server({.access_log = "off", .requests_per_connection = 1});
  server.on_connection_state(states.hook());
  ASSERT_FALSE(server.listen_and_serve("127.0.0.1:0"));
  for (std::size_t i = 1; i <= 2; ++i) {
    RawClient client(server.addresses().at(0));
    EXPECT_TRUE(client.get("/").says_close());
    EXPECT_EQ(client.wait_end(), End::Closed);
    EXPECT_TRUE(states.wait(worker::ConnectionState::New, i));
  }
  EXPECT_FALSE(states.wait(worker::ConnectionState::Idle, 1, 0ms));
}

TEST(ServerInProcessTest, WithoutAHandlerEveryRequestIsA404) {
  worker::Server server({.access_log = "off"});
  ASSERT_FALSE(server.listen_and_serve("127.0.0.1:0"));
  RawClient client(server.addresses().at(0));
  EXPECT_EQ(client.get("/").status, 404);
  EXPECT_EQ(client.post("/upload", "body").status, 404);
}

TEST(ServerInProcessTest, TheLogCountsNoBodyOfAnAnswerToHead) {
  const TempDir files;
  worker::Server server({.access_log = files.file("access.log")});
  server.handle(
      [](const worker::Request&, worker::ResponseWriter& response) { response.write("hello"); });
  ASSERT_FALSE(server.listen_and_serve("127.0.0.1:0"));
  RawClient client(server.addresses().at(0));
  client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_response(true).header("content-length"), "5");
  EXPECT_EQ(client.get("/").body, "hello");
  server.stop();
  const AccessLog log = AccessLog::read(files.file("access.log"));
  EXPECT_EQ(log.only("http_method", "HEAD")["response_size"], 0);
  EXPECT_EQ(log.only("http_method", "GET")["response_size"], 5);
}

// grace's two harnesses in parallel: instances share no name, no file, no signal.
TEST(InstancesTest, TwoThatReloadAtTheSameTimeDisturbNeither) {
  const TempDir files;
  SupervisorRun one({.flags = {"--pid-file", files.file("one")}});
  SupervisorRun two({.flags = {"--pid-file", files.file("two")}});
  one.wait_ready();
  two.wait_ready();
  LoadClient first(brisk_load(one.address()));
  LoadClient second(brisk_load(two.address()));
  first.start();
  second.start();
  for (int generation = 2; generation <= 4; ++generation) {
    ASSERT_TRUE(first.wait_for_requests(first.requests_done() + 100));
    ASSERT_TRUE(second.wait_for_requests(second.requests_done() + 100));
    const std::size_t from = two.mark();
    two.signal(SIGHUP);
    EXPECT_EQ(one.reload().number("generation"), generation);
    EXPECT_EQ(two.wait("reload_done", from).number("generation"), generation);
  }
  const LoadResult of_one = first.finish();
  const LoadResult of_two = second.finish();
  expect_no_failure(of_one);
  expect_no_failure(of_two);
  EXPECT_EQ(read_text(files.file("one")), std::to_string(one.pid()) + "\n");
  expect_clean_stop(one);
  EXPECT_EQ(RawClient(two.address()).get("/", "X-Request-ID: after\r\n").generation(), 4);
  expect_clean_stop(two);
  expect_all_logged(one.log(), of_one);
}

TEST(CommandTest, ArgumentsReachAWorkerAsTheyAreEmptyOnesToo) {
  const std::vector<std::string> command = {demo_path(), "--files", "", "--access-log", "$two  w"};
  SupervisorRun run({.command = command});
  run.wait_ready();
  std::ifstream in("/proc/" + std::to_string(run.worker_pid(1)) + "/cmdline");
  std::vector<std::string> seen;
  for (std::string argument; std::getline(in, argument, '\0');) seen.push_back(argument);
  ASSERT_EQ(seen.size(), command.size());
  for (std::size_t i = 1; i < command.size(); ++i) EXPECT_EQ(seen[i], command[i]);
  expect_clean_stop(run);
}

bool nonblocking(pid_t pid, int fd) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/fdinfo/" + std::to_string(fd));
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("flags:"))
      return (std::stoul(line.substr(6), nullptr, 8) & O_NONBLOCK) != 0;
  }
  throw std::runtime_error("no flags of descriptor " + std::to_string(fd));
}

// The flag belongs to all holders of a listener: a worker that comes, drains or dies must leave it.
TEST(ListenerFlagsTest, AListenerStaysNonblockingWhateverBecomesOfItsWorkers) {
  SupervisorRun run;
  run.wait_ready();
  ASSERT_EQ(run.reload().name(), "reload_done");
  const std::size_t from = run.mark();
  ::kill(run.worker_pid(2), SIGKILL);
  run.wait("worker_accepting", from);
  int sockets = 0;
  for (const auto& [fd, target] : open_fds(run.pid())) {
    if (!target.starts_with("socket:")) continue;
    ++sockets;
    EXPECT_TRUE(nonblocking(run.pid(), fd)) << fd;
  }
  EXPECT_GE(sockets, 2) << "a listener and a channel";
  EXPECT_EQ(RawClient(run.address()).get("/").status, 200);
  expect_clean_stop(run);
}

}  // namespace
}  // namespace holdfast::testing
