// Clients that leave, dawdle, or write odd but lawful HTTP: each gets what it is owed and exactly
// one access-log line, and costs nobody else anything. Unlawful bytes are in
// http_bad_request_test.cpp.
#include <algorithm>
#include <chrono>

#include <gtest/gtest.h>

#include "tests/integration/http_fixture.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class HurriedHttpTest : public HttpTest {
 protected:
  HurriedHttpTest()
      : HttpTest({.command = {demo_path(), "--header-timeout", "500ms", "--body-timeout", "500ms",
                              "--keep-alive-timeout", "500ms"}}) {}
};

TEST_F(HttpTest, AClientThatLeavesWithinItsHeadIsOneLine) {
  RawClient client(address);
  client.send("GET /half HTTP/1.1\r\nHo");
  expect_bystander_served();  // so it has been accepted and read
  client.reset();
  expect_bystander_served();
  const auto line = stop_and_take_line();
  EXPECT_EQ(line.value("completion", ""), "client_aborted") << line;
  EXPECT_EQ(line.value("http_status_code", 0), 499);
}

TEST_F(HttpTest, AClientThatLeavesWithinItsBodyIsOneLine) {
  RawClient client(address);
  client.send("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" +
              std::string(400, 'x'));
  expect_bystander_served();
  client.reset();
  expect_bystander_served();
  const auto line = stop_and_take_line();
  EXPECT_EQ(line.value("completion", ""), "client_aborted") << line;
  EXPECT_EQ(line.value("http_status_code", 0), 499);
  EXPECT_EQ(line.value("request_size", 0), 400);
  EXPECT_EQ(line.value("url", ""), "/upload");
}

TEST_F(HttpTest, AClientThatLeavesWithinItsResponseIsOneLine) {
  RawClient client(address);
  client.send(get_request("/stream?chunks=100000&interval=10ms"));
  client.read_head();
  client.reset();
  expect_bystander_served();
  const auto line = stop_and_take_line();
  EXPECT_EQ(line.value("completion", ""), "client_aborted") << line;
}

// A close with unread bytes, or before the client's last ones come, is a reset, which can overtake
// the answer (RFC 9112, 9.6).
TEST_F(HttpTest, ARejectedUploadIsReadOnUntilTheClientHasItsAnswer) {
  RawClient client(address);
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n");
  const std::string piece(10'000, 'x');
  for (int i = 0; i < 50; ++i) client.send(piece);
  EXPECT_EQ(client.read_response().status, 413);
  EXPECT_EQ(client.wait_end(), End::Closed);
  client.send(piece);  // even now: it is dropped, and nothing is reset
  EXPECT_EQ(stop_and_take_line().value("http_status_code", 0), 413);
}

TEST_F(HttpTest, AConnectionWithoutAByteHasNoLine) {
  { const RawClient silent(address); }
  expect_bystander_served();
  expect_clean_stop(run);
  EXPECT_EQ(run.log().size(), 1u);
}

TEST_F(HttpTest, AHandlerThatThrowsIsA500AndTheConnectionEnds) {
  RawClient client(address);
  const Response response = client.get("/error");
  EXPECT_EQ(response.status, 500);
  expect_bystander_served();
  const auto line = stop_and_take_line();
  EXPECT_EQ(line.value("completion", ""), "handler_error") << line;
  EXPECT_EQ(line.value("severity", ""), "error");
  EXPECT_EQ(line.value("http_status_code", 0), 500);
}

TEST_F(HurriedHttpTest, AHeadThatDoesNotEndIsTimedOut) {
  RawClient client(address);
  client.send("GET / HTTP/1.1\r\nHost: a\r\n");
  EXPECT_EQ(client.read_response().status, 408);
  EXPECT_EQ(client.wait_end(), End::Closed);
  const auto line = stop_and_take_line();
  EXPECT_EQ(line.value("completion", ""), "timeout") << line;
  EXPECT_EQ(line.value("http_status_code", 0), 408);
}

TEST_F(HurriedHttpTest, ATrickledHeadDoesNotRestartItsTimeout) {
  RawClient client(address);
  client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
  const TimePoint begun = Clock::now();
  // A byte whenever a tenth of a second has passed without an answer: a slow loris.
  while (client.wait_end(100ms) == End::StillOpen) {
    client.send("x");
    ASSERT_LT(Clock::now() - begun, kCap);
  }
  EXPECT_EQ(client.read_response().status, 408);
}

// One deadline from the accept to the end of the first head: waiting before the first byte buys
// nothing.
TEST(HeaderTimeout, BeginsWithTheAccept) {
  SupervisorRun run({.command = {demo_path(), "--header-timeout", "2s"}});
  RawClient client(run.wait_ready().address());
  const TimePoint begun = Clock::now();
  EXPECT_EQ(client.wait_end(1500ms), End::StillOpen);
  client.send("GET / HTTP/1.1\r\n");
  EXPECT_EQ(client.read_response().status, 408);
  const auto took = Clock::now() - begun;
  EXPECT_GE(took, 1900ms);
  EXPECT_LT(took, 3300ms) << "the first byte began a time of its own";
}

// A body has no deadline as a whole, but each body_timeout of waiting must bring min_body_progress.
TEST_F(HurriedHttpTest, ABodyThatTricklesIsTimedOut) {
  for (const char* target : {"/echo", "/upload"}) {  // collected, and read by its handler
    RawClient client(address);
    client.send(std::string("POST ") + target +
                " HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    const TimePoint begun = Clock::now();
    while (client.wait_end(100ms) == End::StillOpen) {
      client.send("x");
      ASSERT_LT(Clock::now() - begun, kCap);
    }
    EXPECT_EQ(client.read_response().status, 408) << target;
  }
}

TEST_F(HurriedHttpTest, ASlowBodyThatMovesIsReadToItsEnd) {
  for (const char* target : {"/echo", "/upload"}) {
    RawClient client(address);
    client.send(std::string("POST ") + target +
                " HTTP/1.1\r\nHost: a\r\nContent-Length: 12000\r\n\r\n");
    // 1.2 s, more than twice the timeout.
    for (int i = 0; i < 12; ++i) {
      client.send(std::string(1000, 'x'));
      if (i == 11) break;
      ASSERT_EQ(client.wait_end(100ms), End::StillOpen);
    }
    EXPECT_EQ(client.read_response().status, 200) << target;
  }
}

TEST_F(HurriedHttpTest, ABodyThatDoesNotComeIsTimedOut) {
  RawClient client(address);
  client.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  EXPECT_EQ(client.read_response().status, 408);
  EXPECT_EQ(client.wait_end(), End::Closed);
  EXPECT_EQ(stop_and_take_line().value("completion", ""), "timeout");
}

TEST_F(HurriedHttpTest, AnIdleConnectionIsClosedWithoutALine) {
  RawClient client(address);
  client.get("/");
  EXPECT_EQ(client.wait_end(), End::Closed);
  stop_and_take_line();
}

TEST_F(HttpTest, HostileBytesMakeOneValidLine) {
  RawClient client(address);
  client.send(
      "GET /\"%00\\\xff\xc0\xaf\xed\xa0\x80{}' HTTP/1.1\r\nHost: a\r\n"
      "User-Agent: \"},\\\xf0\x28\x8c\x28\t\xe2\x80\xa8{\"type\":\"access\"\x7f\r\n"
      "Referer: \xfe\xff\r\nX-Request-ID: two\"\\ids\r\n\r\n");
  const Response response = client.read_response();
  EXPECT_TRUE(response.status == 200 || response.status == 400 || response.status == 404);
  const auto line = stop_and_take_line();  // which holds every line to JSON
  EXPECT_NE(line.value("request_id", ""), "two\"\\ids") << "only safe characters are taken over";
  EXPECT_NE(line.value("request_id", ""), "");
}

TEST_F(HttpTest, LongValuesAreCutAndMarked) {
  RawClient client(address);
  const std::string longest(4000, 'u');
  client.get("/?" + longest, "User-Agent: " + longest + "\r\nX-Request-ID: " + longest + "\r\n");
  const auto line = stop_and_take_line();
  EXPECT_EQ(line.at("url").get<std::string>().size(), 2048u);
  EXPECT_EQ(line.at("http_user_agent").get<std::string>().size(), 512u);
  EXPECT_LE(line.at("request_id").get<std::string>().size(), 128u);
  EXPECT_LE(line.dump().size(), 4096u);
  const auto cut = line.at("truncated").get<std::vector<std::string>>();
  EXPECT_NE(std::find(cut.begin(), cut.end(), "url"), cut.end());
  EXPECT_NE(std::find(cut.begin(), cut.end(), "http_user_agent"), cut.end());
}

TEST_F(HttpTest, DefaultHeadersAreOnTheServersOwnAnswersToo) {
  EXPECT_EQ(RawClient(address).get("/error").generation(), 1);
  RawClient client(address);
  client.send("no request\r\n\r\n");
  const Response refused = client.read_response();
  EXPECT_EQ(refused.status, 400);
  EXPECT_EQ(refused.generation(), 1);
}

TEST_F(HttpTest, ManyPipelinedRequestsAreAnsweredInOrder) {
  RawClient client(address);
  std::string all;
  for (int i = 0; i < 500; ++i) all += post_request("/echo", std::to_string(i));
  client.send(all);
  for (int i = 0; i < 500; ++i) ASSERT_EQ(client.read_response().body, std::to_string(i));
  expect_clean_stop(run);
  EXPECT_EQ(run.log().size(), 500u);
}

TEST_F(HttpTest, ARequestCutIntoSingleBytesIsRead) {
  RawClient client(address);
  for (const char byte : post_request("/echo", "hello")) client.send({&byte, 1});
  EXPECT_EQ(client.read_response().body, "hello");
}

TEST_F(HttpTest, AHalfClosedClientStillGetsItsAnswer) {
  RawClient client(address);
  client.send(get_request("/?duration=200ms")).half_close();
  EXPECT_EQ(client.read_response().body, "Hello, world!");
  EXPECT_EQ(client.wait_end(), End::Closed);
}

TEST_F(HttpTest, Http10ClosesUnlessKeepAliveIsAsked) {
  RawClient plain(address);
  plain.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(plain.read_response().body, "Hello, world!");
  EXPECT_EQ(plain.wait_end(), End::Closed);
  RawClient kept(address);
  for (int i = 0; i < 2; ++i) {
    kept.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    const Response response = kept.read_response();
    EXPECT_EQ(response.body, "Hello, world!");
    EXPECT_EQ(response.header("connection"), "keep-alive") << "a 1.0 client must be told";
  }
}

TEST_F(HttpTest, AHeadRequestHasNoBodyAndKeepsTheConnection) {
  RawClient client(address);
  client.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" + get_request("/"));
  EXPECT_EQ(client.read_response(true).header("content-length"), "13");
  EXPECT_EQ(client.read_response().body, "Hello, world!");
}

TEST_F(HttpTest, OneLeadingEmptyLineIsForgiven) {
  RawClient client(address);
  client.send("\r\n" + get_request("/"));
  EXPECT_EQ(client.read_response().status, 200);
}

}  // namespace
}  // namespace holdfast::testing
