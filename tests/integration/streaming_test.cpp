// Responses in pieces: back-pressure, framing, trailers; and how a handler learns that its client
// or its worker leaves.
#include <chrono>
#include <csignal>

#include <gtest/gtest.h>

#include "tests/integration/streams_fixture.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class StreamingTest : public StreamsTest {
 protected:
  using StreamsTest::StreamsTest;

  // Until it has not changed for a while: whoever counts there is held up.
  long settled(const std::string& name) {
    long last = -1;
    eventually(
        [&] {
          const long now = count(name);
          if (now != last || now == 0) return last = now, false;
          return bystander.wait_end(300ms) == End::StillOpen && count(name) == last;
        },
        kCap);
    return last;
  }
  void expect_line(const AccessLog::Line& line, const std::string& completion, int status = 200) {
    EXPECT_EQ(line.value("completion", ""), completion) << line;
    EXPECT_EQ(line.value("http_status_code", 0), status) << line;
  }
};

TEST_F(StreamingTest, HandlersOfClientsThatDoNotReadWaitAndMemoryStaysFlat) {
  std::vector<RawClient> clients;
  for (int i = 0; i < 10; ++i) clients.emplace_back(address).send(get_request("/flood"));
  MemoryPeak memory(worker);
  const long held = settled("flood");
  EXPECT_GT(held, 0);
  // One reads on, and its handler with it.
  for (int i = 0; i < 200; ++i) {
    clients[0].read_bytes(100'000);
    memory.sample();
  }
  EXPECT_GT(count("flood"), held);
  memory.expect_below(30'000);
  for (RawClient& client : clients) client.reset();
  EXPECT_EQ(wait_lines(10).size(), 10u);
  for (const auto& line : lines()) {
    expect_line(line, "client_aborted");
    EXPECT_GT(line.value("response_size", 0u), 0u);
    EXPECT_LT(line.value("response_size", 0u), line.value("bytes_sent", 0u))
        << "only what was sent is counted";
  }
  expect_clean_stop(run);
}

TEST_F(StreamingTest, WhatIsFlushedArrivesBeforeTheHandlerIsDone) {
  RawClient client(address);
  client.send(get_request("/pieces"));
  EXPECT_EQ(client.read_head().header("transfer-encoding"), "chunked");
  EXPECT_EQ(client.read_until("first\r\n"), "5\r\nfirst\r\n");
  open_gate("second");
  EXPECT_EQ(client.read_until("0\r\n\r\n"), "6\r\nsecond\r\n0\r\n\r\n");
  const auto line = stop_and_take_line();
  expect_line(line, "ok");
  EXPECT_EQ(line.value("response_size", 0), 11);
}

TEST_F(StreamingTest, AStreamOfDeclaredLengthIsNotChunked) {
  const Response response = RawClient(address).get("/declared");
  EXPECT_EQ(response.header("content-length"), "10");
  EXPECT_EQ(response.header("transfer-encoding"), "");
  EXPECT_EQ(response.body, "1234567890");
}

TEST_F(StreamingTest, BytesSentAreThoseOnTheWire) {
  std::map<std::string, std::size_t> sizes;
  for (const char* target : {"/", "/declared", "/trailers", "/early?404"}) {
    RawClient client(address);
    client.send(get_request(target, "Connection: close\r\n"));
    sizes[target] = client.read_all().size();
  }
  expect_clean_stop(run);
  for (const auto& [target, size] : sizes)
    EXPECT_EQ(run.log().only("url", target).value("bytes_sent", 0u), size) << target;
}

TEST_F(StreamingTest, TrailersFollowAChunkedBody) {
  const Response response = RawClient(address).get("/trailers");
  EXPECT_EQ(response.body, "body");
  EXPECT_EQ(response.trailers.at("x-sum"), "42");
  const auto curl = run_command({"curl", "-sS", "--raw", "http://" + address + "/trailers"});
  EXPECT_EQ(curl.out, "4\r\nbody\r\n0\r\nX-Sum: 42\r\n\r\n") << curl.err;
}

TEST_F(StreamingTest, Http10GetsTheBodyUntilTheCloseAndNoTrailers) {
  RawClient client(address);
  client.send("GET /trailers HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.read_response().body, "body");
  EXPECT_EQ(client.wait_end(), End::Closed);
}

// Where the close is the end of the body, a body that is not whole must not end with one.
TEST(StreamingStopTest, AnHttp10StreamThatIsCutIsReset) {
  SupervisorRun run({.flags = {"--stop-timeout", "300ms"}, .command = {STREAMS_WORKER_PATH}});
  RawClient client(run.wait_ready().address());
  client.send("GET /pieces HTTP/1.0\r\n\r\n");
  EXPECT_EQ(client.read_head().status, 200);
  EXPECT_EQ(client.read_bytes(5), "first");
  run.signal(SIGTERM);
  EXPECT_EQ(client.wait_end(), End::Reset);
  run.wait_exit();
  const AccessLog log = run.log();
  ASSERT_EQ(log.size(), 1u);
  EXPECT_EQ(log.lines()[0].value("completion", ""), "cut");
}

// Clients that leave

TEST_F(StreamingTest, AHandlerIsToldAtOnceThatItsClientWasLost) {
  RawClient client(address);
  client.send(get_request("/patient?gate"));
  wait_count("patient", 1);
  const TimePoint left = Clock::now();
  client.reset();
  wait_count("told", 1);
  EXPECT_LT(Clock::now() - left, scaled(3s)) << "a deadline told it, and not the client's end";
  open_gate("gate");  // the handler works on as long as it likes
  expect_line(stop_and_take_line(), "client_aborted", 499);
}

TEST_F(StreamingTest, AClientThatHalfClosedIsReportedAndStillAnswered) {
  RawClient client(address);
  client.send(get_request("/patient?gate")).half_close();
  wait_count("told", 1);
  open_gate("gate");
  EXPECT_EQ(client.read_response().body, "answered all the same");
  EXPECT_EQ(client.wait_end(), End::Closed);
  EXPECT_EQ(count("told"), 1);
  expect_line(stop_and_take_line(), "ok");
}

TEST_F(StreamingTest, AClientThatPipelinesAndClosesIsAnsweredTwice) {
  RawClient client(address);
  client.send(get_request("/patient?gate", "X-Request-ID: bystander\r\n") + get_request("/"))
      .half_close();
  wait_count("told", 1);
  open_gate("gate");
  EXPECT_EQ(client.read_response().body, "answered all the same");
  EXPECT_EQ(client.read_response().body, "Hello, world!");
  EXPECT_EQ(client.wait_end(), End::Closed);
  expect_line(stop_and_take_line(), "ok");
}

// The exception of its flush ends the handler first, and what the notice points to with it.
TEST_F(StreamingTest, AHandlerThatEndsByALostClientIsNotToldAfterwards) {
  RawClient client(address);
  client.send(get_request("/stuck"));
  settled("stuck");
  client.reset();
  EXPECT_EQ(wait_lines(1).size(), 1u);
  EXPECT_EQ(count("told"), 0);
  expect_line(stop_and_take_line(), "client_aborted");
}

// The drain

class StreamingDrainTest : public StreamingTest {
 protected:
  StreamingDrainTest() : StreamingTest({.flags = {"--idle-grace", "10s"}}) {}
};

TEST_F(StreamingDrainTest, AnEndlessResponseEndsItselfWhenItIsTold) {
  RawClient client(address);
  client.send(get_request("/until-drain"));
  Response response = client.read_head();
  ASSERT_EQ(run.reload().name(), "reload_done");
  client.read_body(response);
  EXPECT_EQ(response.body, "waiting drained");
  expect_bystander_served_and_closed();
  expect_line(stop_and_take_line(), "ok");
}

TEST_F(StreamingDrainTest, AHandlerIsToldWhileItsClientDoesNotRead) {
  RawClient client(address);
  client.send(get_request("/stuck"));
  settled("stuck");
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(count_at_drain("drain"), 1);
  client.reset();
  run.wait("drained");
  expect_line(stop_and_take_line(), "client_aborted");
}

TEST_F(StreamingDrainTest, AHandlerThatIsDoneIsToldNothing) {
  RawClient client(address);
  client.send(get_request("/short"));
  wait_count("short", 1);
  Response response = client.read_head();  // the rest of it waits for the client
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(count_at_drain("late"), 0);
  client.read_body(response);
  EXPECT_TRUE(response.body == std::string(10'000'000, 's'));
  client.reset();
  run.wait("drained");
  expect_line(stop_and_take_line(), "ok");
}

}  // namespace
}  // namespace holdfast::testing
