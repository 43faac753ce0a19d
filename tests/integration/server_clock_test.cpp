// Every timeout of a server, driven by a ManualClock: none of these tests waits for time to pass.
// HD: facebookgo/httpdown's tests (docs/conformance.md).
#include <algorithm>
#include <array>
#include <cstdlib>
#include <fcntl.h>
#include <future>
#include <netinet/in.h>
#include <optional>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <gtest/gtest.h>

#include "holdfast/worker/asio.hpp"
#include "shared/core/control_message.hpp"
#include "shared/io/fd_passing.hpp"
#include "shared/io/syscall.hpp"
#include "tests/integration/clock_fixture.hpp"
#include "tests/support/access_log_reader.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/temp_dir.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;
using worker::ConnectionState;
using worker::Done;
using worker::ManualClock;
using worker::Options;
using worker::PlainHandler;
using worker::Request;
using worker::ResponseWriter;
using worker::Server;
using worker::StopResult;
using worker::StreamHandler;

class ServerClockTest : public ClockTest {
 protected:
  ~ServerClockTest() override {
    EXPECT_LT(Clock::now() - began, scaled(5s)) << "some timeout went by real time";
  }

  // A request of which `bytes` have come gets a 408 when `timeout` has passed, and not before.
  void expect_408(Server& server, const std::string& bytes, Millis timeout) {
    RawClient client(serve(server));
    client.send(bytes);
    ASSERT_TRUE(states.wait(ConnectionState::Active));
    clock.advance(timeout - 1ms);
    EXPECT_TRUE(open(client));
    clock.advance(1ms);
    EXPECT_EQ(client.read_response().status, 408);
  }
  static void say_hello(Server& server) {
    server.handle(PlainHandler([](const Request&, ResponseWriter& r) { r.write("hello"); }));
  }

  const TimePoint began = Clock::now();
};

TEST_F(ServerClockTest, AConnectionThatSendsNothingIsClosedAtHeaderTimeout) {
  Server server(options);
  RawClient client(serve(server));
  ASSERT_TRUE(states.wait(ConnectionState::New));
  EXPECT_TRUE(clock.advance(10s - 1ms));
  EXPECT_TRUE(open(client));
  EXPECT_TRUE(clock.advance(1ms));
  EXPECT_EQ(client.wait_end(), End::Closed);
}

TEST_F(ServerClockTest, AHeadThatTricklesGets408AtHeaderTimeout) {
  Server server(options);
  expect_408(server, "GET / HTTP/1.1\r\nHost: ", 10s);
}

TEST_F(ServerClockTest, ABodyThatStallsGets408AtBodyTimeout) {
  Server server(options);
  say_hello(server);
  expect_408(server, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n12345", 60s);
}

TEST_F(ServerClockTest, AClientThatDoesNotReadIsCutAtBodyTimeout) {
  Server server(options);
  server.handle(
      PlainHandler([](const Request&, ResponseWriter& r) { r.write(std::string(32 << 20, 'x')); }));
  RawClient client(serve(server));
  client.send(get_request("/"));
  ASSERT_TRUE(states.wait(ConnectionState::Active));
  clock.advance(60s - 1ms);
  EXPECT_FALSE(states.wait(ConnectionState::Closed, 1, 0ms));
  clock.advance(1ms);
  EXPECT_TRUE(states.wait(ConnectionState::Closed, 1, 0ms));
  EXPECT_THROW(client.read_response(), RawClientError);
}

TEST_F(ServerClockTest, AnIdleConnectionIsClosedAtKeepAliveTimeout) {
  Server server(options);
  say_hello(server);
  RawClient client(serve(server));
  EXPECT_EQ(client.get("/").body, "hello");
  clock.advance(75s - 1ms);
  EXPECT_TRUE(open(client));
  EXPECT_EQ(client.get("/").body, "hello") << "and its time begins anew";
  clock.advance(75s - 1ms);
  EXPECT_TRUE(open(client));
  clock.advance(1ms);
  EXPECT_EQ(client.wait_end(), End::Closed);
  // The client keeps its side open: we read on for a moment, then close.
  EXPECT_FALSE(states.wait(ConnectionState::Closed, 1, 0ms));
  clock.advance(100ms);
  EXPECT_TRUE(states.wait(ConnectionState::Closed, 1, 0ms));
}

TEST_F(ServerClockTest, AStopOwesANewConnectionNewGrace) {
  Server server(options);
  say_hello(server);
  const std::string address = serve(server);
  RawClient silent(address);
  RawClient late(address);
  ASSERT_TRUE(states.wait(ConnectionState::New, 2));
  server.request_stop();
  clock.advance(1s - 1ms);
  EXPECT_TRUE(open(silent));
  EXPECT_EQ(late.get("/").body, "hello") << "a request that arrives in its grace is served";
  clock.advance(1ms);
  EXPECT_EQ(silent.wait_end(), End::Closed);
  clock.advance(1s);
  const StopResult result = server.stop();
  EXPECT_FALSE(result.killed);
  EXPECT_EQ(result.served, 1U);
}

TEST_F(ServerClockTest, AStopGivesAnIdleConnectionStopIdleGrace) {
  Server server(options);
  say_hello(server);
  const std::string address = serve(server);
  RawClient silent(address);
  RawClient late(address);
  EXPECT_EQ(silent.get("/").body, "hello");
  EXPECT_EQ(late.get("/").body, "hello");
  server.request_stop();
  clock.advance(100ms - 1ms);
  EXPECT_TRUE(open(silent));
  const Response last = late.get("/");
  EXPECT_EQ(last.body, "hello");
  EXPECT_TRUE(last.says_close());
  clock.advance(1ms);
  EXPECT_EQ(silent.wait_end(), End::Closed);
  clock.advance(1s);
  EXPECT_FALSE(server.stop().killed);
}

TEST_F(ServerClockTest, WhatMissesStopTimeoutIsCutInTheMiddle) {  // HD8, HD9
  Server server(options);
  HeldHandler held(50'000);
  server.handle(held.handler());
  const std::string address = serve(server);
  RawClient client(address);
  RawClient new_one(address);
  client.send(get_request("/"));
  ASSERT_TRUE(held.wait_held());
  server.request_stop();
  clock.advance(60s - 1ms);
  EXPECT_EQ(stats.sum("kill"), 0);
  EXPECT_FALSE(states.wait(ConnectionState::Closed, 2, 0ms));
  clock.advance(1ms);
  EXPECT_THROW(client.read_response(), RawClientError);  // an unexpected end of file
  const StopResult result = server.stop();
  EXPECT_TRUE(result.killed);
  EXPECT_EQ(result.killed_connections, 1U);
  EXPECT_EQ(result.cut, 1U);
  EXPECT_EQ(result.handlers_left, 1U);
  EXPECT_FALSE(result.failure);
  EXPECT_EQ(stats.sum("kill"), 1);
  EXPECT_EQ(stats.sum("kill.conn.count"), 1);
  EXPECT_EQ(stats.sum("kill.timeout"), 0);
  EXPECT_EQ(stats.sum("conn.closed"), 2);
  EXPECT_EQ(stats.times("stop.time"), std::vector<std::chrono::nanoseconds>{60s});
  EXPECT_EQ(stats.times("kill.time"), std::vector<std::chrono::nanoseconds>{0s});
}

TEST_F(ServerClockTest, HandlersAreToldToCancelOnlyAtStopTimeout) {
  std::vector<std::string> told;
  options.body_timeout = 3600s;
  Server server(options);
  server.handle(StreamHandler([&](const Request& request, ResponseWriter&, Done done) {
    auto buffer = std::make_shared<std::array<char, 16>>();
    request.read_body(*buffer, [&told, buffer, done](std::optional<std::size_t> read) {
      told.emplace_back(read ? "read" : "cancelled");
      done(nullptr);
    });
  }));
  RawClient client(serve(server));
  client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n");
  ASSERT_TRUE(states.wait(ConnectionState::Active));
  server.request_stop();
  clock.advance(60s - 1ms);
  EXPECT_TRUE(told.empty());
  clock.advance(1ms);
  EXPECT_EQ(told, std::vector<std::string>{"cancelled"});
  EXPECT_EQ(client.read_response().status, 503);
  EXPECT_TRUE(server.stop().killed);
}

// A pipe whose reader is behind, and requests enough to fill it.
class StalledLog {
 public:
  StalledLog() {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    reader.reset(ends[0]);
    writer_.reset(ends[1]);
    EXPECT_GT(::fcntl(ends[1], F_SETPIPE_SZ, 4096), 0);
  }
  std::string target() const { return "/proc/self/fd/" + std::to_string(writer_.get()); }
  static void fill(const std::string& address) {
    RawClient client(address);
    for (int i = 0; i < kRequests; ++i) EXPECT_EQ(client.get("/").body, "hello");
  }
  std::size_t read_lines() const {
    std::string text(1 << 20, '\0');
    const ssize_t n = ::read(reader.get(), text.data(), text.size());
    text.resize(n < 0 ? 0 : static_cast<std::size_t>(n));
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  }
  static constexpr int kRequests = 50;
  UniqueFd reader;

 private:
  UniqueFd writer_;
};

TEST_F(ServerClockTest, AStalledLogReaderHoldsTheEndUpUntilKillTimeout) {
  StalledLog log;
  options.access_log = log.target();
  Server server(options);
  say_hello(server);
  StalledLog::fill(serve(server));
  server.request_stop();
  clock.advance(45s - 1ms);  // three quarters of kill_timeout
  EXPECT_EQ(stats.sum("kill.timeout"), 0);
  clock.advance(2s);
  const StopResult result = server.stop();
  EXPECT_FALSE(result.killed);
  EXPECT_EQ(stats.sum("kill.timeout"), 1);
  EXPECT_EQ(result.log_lines_lost + log.read_lines(), std::size_t{StalledLog::kRequests});
}

TEST_F(ServerClockTest, ALogReaderThatComesBackGetsEveryLineBeforeTheEnd) {
  StalledLog log;
  options.access_log = log.target();
  Server server(options);
  say_hello(server);
  StalledLog::fill(serve(server));
  server.request_stop();
  clock.advance(20s);
  std::size_t lines = 0;
  auto stopped = std::async(std::launch::async, [&] { return server.stop(); });
  while (stopped.wait_for(0s) != std::future_status::ready) {
    if (wait_readable(log.reader.get(), 10ms)) lines += log.read_lines();
  }
  lines += log.read_lines();
  EXPECT_EQ(lines, std::size_t{StalledLog::kRequests});
  EXPECT_EQ(stopped.get().log_lines_lost, 0U);
}

TEST_F(ServerClockTest, AStopGivesUpAHandlerThatBlocksTheThreadAtKillTimeout) {
  ManualClock impatient(20ms);
  options.clock = &impatient;
  Server server(options);
  std::promise<void> entered;
  std::promise<void> release;
  server.handle(PlainHandler([&](const Request&, ResponseWriter&) {
    entered.set_value();
    release.get_future().wait();
  }));
  RawClient client(serve(server));
  client.send(get_request("/"));
  entered.get_future().wait();
  auto stopped = std::async(std::launch::async, [&] { return server.stop(); });
  bool all_acted = true;
  while (stopped.wait_for(0s) != std::future_status::ready) all_acted = impatient.advance(60s);
  EXPECT_FALSE(all_acted);
  const StopResult result = stopped.get();
  ASSERT_TRUE(result.failure);
  EXPECT_EQ(result.failure->code, std::errc::timed_out);
  EXPECT_EQ(result.failure->message, "cannot stop: a handler blocks the server's thread");
  EXPECT_EQ(stats.sum("kill.timeout"), 1);
  release.set_value();
}

TEST_F(ServerClockTest, TheLogIsFlushedEverySecond) {
  const TempDir dir;
  options.access_log = dir.file("access.log");
  Server server(options);
  say_hello(server);
  RawClient client(serve(server));
  EXPECT_EQ(client.get("/").body, "hello");
  clock.advance(1s - 1ms);
  EXPECT_EQ(AccessLog::read(options.access_log).size(), 0U);
  clock.advance(1ms);
  EXPECT_EQ(AccessLog::read(options.access_log).size(), 1U);
}

TEST_F(ServerClockTest, ResponseTimeFollowsTheClock) {
  const TempDir dir;
  options.access_log = dir.file("access.log");
  Server server(options);
  HeldHandler held(10);
  server.handle(held.handler());
  RawClient client(serve(server));
  client.send(get_request("/"));
  ASSERT_TRUE(held.wait_held());
  clock.advance(30s);
  boost::asio::post(io_context(server), held.take());
  EXPECT_EQ(client.read_response().status, 200);
  server.request_stop();
  clock.advance(1s);
  server.stop();
  EXPECT_EQ(AccessLog::read(options.access_log).lines().at(0)["response_time"], 30.0);
}

TEST_F(ServerClockTest, AveragesComeOnceAMinute) {
  options.header_timeout = options.body_timeout = options.keep_alive_timeout = 3600s;
  Server server(options);
  say_hello(server);
  const std::string address = serve(server);
  RawClient idle(address);
  RawClient active(address);
  RawClient fresh(address);
  EXPECT_EQ(idle.get("/").body, "hello");
  active.send("GET / HT");
  ASSERT_TRUE(states.wait(ConnectionState::Active, 2));
  ASSERT_TRUE(states.wait(ConnectionState::New, 3));
  clock.advance(60s - 1ms);
  EXPECT_TRUE(stats.averages("http-state.total").empty());
  clock.advance(1ms);
  using Once = std::vector<double>;
  EXPECT_EQ(stats.averages("http-state.new"), Once{1});
  EXPECT_EQ(stats.averages("http-state.active"), Once{1});
  EXPECT_EQ(stats.averages("http-state.idle"), Once{1});
  EXPECT_EQ(stats.averages("http-state.total"), Once{3});
  clock.advance(600s);
  EXPECT_EQ(stats.averages("http-state.total").size(), 11U);
}

// No more descriptors but so many.
class FewDescriptors {
 public:
  explicit FewDescriptors(int left) {
    ::getrlimit(RLIMIT_NOFILE, &before_);
    const int next = ::dup(0);
    ::close(next);
    const rlimit few{static_cast<rlim_t>(next + left), before_.rlim_max};
    EXPECT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  }
  ~FewDescriptors() { end(); }
  void end() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

TEST_F(ServerClockTest, AcceptingWithoutDescriptorsIsTriedAgainAfterAMoment) {
  Server server(options);
  say_hello(server);
  const std::string address = serve(server);
  EXPECT_EQ(RawClient(address).get("/").body, "hello");
  ASSERT_TRUE(states.wait(ConnectionState::Closed));
  clock.settle();
  FewDescriptors few(1);
  RawClient client(address);  // has the last one
  clock.settle();
  clock.advance(1s);
  EXPECT_FALSE(states.wait(ConnectionState::New, 2, 0ms));
  few.end();
  clock.advance(100ms);
  EXPECT_EQ(client.get("/").body, "hello");
}

TEST_F(ServerClockTest, OneClockDrivesManyServers) {
  Server one(options);
  Server two(options);
  const std::string first = serve(one);
  const std::string second = serve(two);
  RawClient client(first);
  RawClient other(second);
  ASSERT_TRUE(states.wait(ConnectionState::New, 2));
  EXPECT_TRUE(clock.advance(10s));
  EXPECT_EQ(client.wait_end(), End::Closed);
  EXPECT_EQ(other.wait_end(), End::Closed);
}

TEST_F(ServerClockTest, AHandlerMayAdvanceItsOwnClock) {
  Server server(options);
  server.handle(PlainHandler([&](const Request&, ResponseWriter& response) {
    response.write(clock.advance(1h) ? "advanced" : "stuck");
  }));
  RawClient client(serve(server));
  const auto before = clock.now();
  EXPECT_EQ(client.get("/").body, "advanced");
  EXPECT_EQ(clock.now() - before, 1h);
  EXPECT_TRUE(open(client)) << "its time begins after the response";
  clock.advance(75s);
  EXPECT_EQ(client.wait_end(), End::Closed);
}

TEST_F(ServerClockTest, TimersCanBeWaitedFor) {
  options.stats = nullptr;
  Server server(options);
  const std::string address = serve(server);
  clock.settle();
  EXPECT_EQ(clock.timers(), 0U);
  RawClient client(address);
  EXPECT_TRUE(clock.wait_for_timers(1));  // header_timeout
  const ManualClock::TimePoint before = clock.now();
  clock.advance(1ms);
  EXPECT_EQ(clock.now() - before, 1ms);
}

// Under a supervisor, whose part the test plays
// -------------------------------------------------------------------------------------------------

class Supervisor {
 public:
  // `kept`: this end keeps its copy of the listener, and says so or not.
  Supervisor(Server& server, const Options& options, std::optional<bool> kept = {}) {
    auto [ours, theirs] = seqpacket_pair().value();
    channel_ = std::move(ours);
    ::setenv("HOLDFAST_CHANNEL_FD", std::to_string(theirs.release()).c_str(), 1);
    running_ = std::async(std::launch::async, [&server] { return server.run(); });
    expect("hello");
    listener.reset(listen_anywhere());
    Welcome welcome;
    welcome.protocol = 1;
    welcome.generation.value = 1;
    welcome.worker.value = 1;
    welcome.listeners = {{"http", "here", kept.value_or(false)}};
    welcome.options.stop_timeout = options.stop_timeout;
    welcome.options.kill_timeout = options.kill_timeout;
    const int fds[] = {listener.get()};
    EXPECT_TRUE(send_datagram(channel_.get(), encode(welcome), fds).value());
    expect("ready");
    tell(Accept{});
    expect("accepting");
    sockaddr_in bound{};
    socklen_t size = sizeof bound;
    ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&bound), &size);
    address = "127.0.0.1:" + std::to_string(ntohs(bound.sin_port));
    if (!kept) listener.reset();
  }

  void tell(const ControlMessage& message) const {
    EXPECT_TRUE(send_datagram(channel_.get(), encode(message), {}).value());
  }
  // Reads up to and with the first message of that type.
  std::string expect(const std::string& type) const {
    while (wait_readable(channel_.get(), kCap)) {
      const auto got = receive_datagram(channel_.get(), kMaxControlMessage).value();
      if (got.kind == Datagram::Kind::Eof) break;
      if (got.bytes.find("\"type\":\"" + type + "\"") != std::string::npos) return got.bytes;
    }
    ADD_FAILURE() << "no " << type;
    return {};
  }
  void die() { channel_.reset(); }
  int wait_exit() { return running_.get(); }

  std::string address;
  UniqueFd listener;

 private:
  UniqueFd channel_;
  std::future<int> running_;
};

TEST_F(ServerClockTest, AReloadGivesIdleConnectionsIdleGrace) {
  Server server(options);
  say_hello(server);
  Supervisor supervisor(server, options);
  RawClient client(supervisor.address);
  EXPECT_EQ(client.get("/").body, "hello");
  supervisor.tell(Drain{DrainReason::Reload, options.stop_timeout});
  supervisor.expect("draining");
  clock.advance(1s - 1ms);
  EXPECT_TRUE(open(client));
  clock.advance(1ms);
  EXPECT_EQ(client.wait_end(), End::Closed);
  clock.advance(1s);
  supervisor.expect("drained");
  EXPECT_EQ(supervisor.wait_exit(), 0);
}

class IdleSpreadClockTest : public ServerClockTest {
 protected:
  static constexpr int kClients = 200;

  // A worker whose clients have had one answer each begins to drain for a reload.
  void begin_drain() {
    server.emplace(options);
    say_hello(*server);
    supervisor.emplace(*server, options);
    for (int i = 0; i < kClients; ++i) {
      clients.emplace_back(supervisor->address);
      EXPECT_EQ(clients.back().get("/").body, "hello");
    }
    supervisor->tell(Drain{DrainReason::Reload, options.stop_timeout});
    supervisor->expect("draining");
  }
  int count_open() { return static_cast<int>(std::ranges::count_if(clients, open)); }

  std::optional<Server> server;
  std::optional<Supervisor> supervisor;
  std::vector<RawClient> clients;
};

TEST_F(IdleSpreadClockTest, AReloadClosesIdleConnectionsEvenlyOverTheSpread) {
  options.idle_spread = 100ms;
  begin_drain();
  clock.advance(1s - 1ms);
  EXPECT_EQ(count_open(), kClients);
  for (int tick = 1; tick <= 100; ++tick) {
    clock.advance(1ms);
    ASSERT_EQ(count_open(), kClients - 2 * tick);
  }
  clock.advance(1s);
  supervisor->expect("drained");
  EXPECT_EQ(supervisor->wait_exit(), 0);
}

TEST_F(IdleSpreadClockTest, ASpreadIsNoLongerThanAMillisecondForEach) {
  begin_drain();
  clock.advance(1s + Millis{kClients / 2 - 1});
  EXPECT_EQ(count_open(), kClients / 2);
  clock.advance(Millis{kClients / 2});
  EXPECT_EQ(count_open(), 0);
  clock.advance(1s);
  EXPECT_EQ(supervisor->wait_exit(), 0);
}

TEST_F(IdleSpreadClockTest, ARequestInItsPlaceIsAnsweredWithClose) {
  begin_drain();
  clock.advance(1s + Millis{kClients / 2 - 1});
  const auto late = std::ranges::find_if(clients, open);
  ASSERT_NE(late, clients.end());
  const Response last = late->get("/");
  EXPECT_EQ(last.body, "hello");
  EXPECT_TRUE(last.says_close());
  clock.advance(2s);
  EXPECT_EQ(supervisor->wait_exit(), 0);
}

TEST_F(IdleSpreadClockTest, AStopSpreadsNothingEvenInTheMiddleOfAReloadsDrain) {
  begin_drain();
  clock.advance(1s + Millis{9});
  EXPECT_EQ(count_open(), kClients - 10);
  supervisor->tell(Drain{DrainReason::Shutdown, options.stop_timeout});
  supervisor->expect("draining");
  clock.advance(options.stop_idle_grace);
  EXPECT_EQ(count_open(), 0);
  supervisor->tell(CloseListeners{});
  supervisor->expect("listeners_closed");
  clock.advance(1s);
  EXPECT_EQ(supervisor->wait_exit(), 0);
}

TEST_F(ServerClockTest, TheQueueOfAKeptListenerIsLeftToTheNextInstance) {
  for (const bool kept : {false, true}) {
    Server server(options);
    say_hello(server);
    Supervisor supervisor(server, options, kept);
    supervisor.tell(Pause{});
    supervisor.expect("paused");
    RawClient queued(supervisor.address);
    queued.send(get_request("/"));
    supervisor.tell(Drain{DrainReason::Shutdown, options.stop_timeout});
    supervisor.expect("draining");
    supervisor.tell(CloseListeners{});
    supervisor.expect("listeners_closed");
    EXPECT_EQ(wait_readable(supervisor.listener.get(), 0ms), kept) << "somebody is in the queue";
    if (!kept) {
      EXPECT_EQ(queued.read_response().body, "hello");
      clock.advance(2s);
    }
    supervisor.expect("drained");
    EXPECT_EQ(supervisor.wait_exit(), 0);
  }
}

TEST_F(ServerClockTest, AnOrphanServesOnUntilOrphanTimeout) {
  Server server(options);
  say_hello(server);
  Supervisor supervisor(server, options);
  EXPECT_EQ(RawClient(supervisor.address).get("/").body, "hello");
  supervisor.die();
  clock.advance(600s - 1ms);
  EXPECT_EQ(RawClient(supervisor.address).get("/").body, "hello");
  clock.advance(1ms);
  EXPECT_TRUE(is_refused(supervisor.address));
  clock.advance(1s);
  EXPECT_EQ(supervisor.wait_exit(), 0);
}

TEST_F(ServerClockTest, TheSupervisorHearsOfRequestsOnceASecond) {
  Server server(options);
  say_hello(server);
  Supervisor supervisor(server, options);
  RawClient client(supervisor.address);
  EXPECT_EQ(client.get("/").body, "hello");
  EXPECT_EQ(client.get("/").body, "hello");
  clock.advance(1s);
  EXPECT_NE(supervisor.expect("stats").find("\"requests\":2"), std::string::npos);
  supervisor.tell(Drain{DrainReason::Reload, options.stop_timeout});
  supervisor.expect("draining");
  clock.advance(2s);
  EXPECT_EQ(supervisor.wait_exit(), 0);
}

}  // namespace
}  // namespace holdfast::testing
