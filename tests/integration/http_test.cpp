// Bytes that no well-behaved client sends, and clients that leave: each gets the right status or a
// close and exactly one access-log line, and costs nobody else anything.
#include <chrono>
#include <csignal>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class HttpTest : public ::testing::Test {
 protected:
  // The only line about what the test did; its bystander's lines have an id of their own.
  AccessLog::Line stop_and_take_line() {
    expect_clean_stop(run);
    const AccessLog log = run.log();
    EXPECT_TRUE(log.bad().empty()) << log.bad()[0];
    AccessLog::Line found;
    int count = 0;
    for (const auto& line : log.lines()) {
      if (line.value("request_id", "") == "bystander") continue;
      found = line;
      ++count;
    }
    EXPECT_EQ(count, 1) << "lines for one request; the last: " << found;
    return found;
  }
  void expect_bystander_served() {
    const Response response = bystander.get("/", "X-Request-ID: bystander\r\n");
    EXPECT_EQ(response.body, "Hello, world!");
    EXPECT_FALSE(response.says_close());
    EXPECT_EQ(run.count("worker_exited"), 0u) << "the worker died of it";
  }
  SupervisorRun run;
  std::string address = run.wait_ready().address();
  RawClient bystander{address};  // one connection, open all the time
};

struct BadBytes {
  const char* name;
  std::string bytes;
  std::vector<int> statuses;
};
void PrintTo(const BadBytes& bad, std::ostream* out) { *out << bad.name; }

std::string with(const std::string& header, const std::string& rest = "") {
  return "POST / HTTP/1.1\r\nHost: a\r\n" + header + "\r\n\r\n" + rest;
}

class BadRequestTest : public HttpTest, public ::testing::WithParamInterface<BadBytes> {};

TEST_P(BadRequestTest, GetsItsStatusAndACloseAndOneLine) {
  expect_bystander_served();
  RawClient client(address);
  client.send(GetParam().bytes);
  const Response response = client.read_response();
  const auto& statuses = GetParam().statuses;
  EXPECT_NE(std::find(statuses.begin(), statuses.end(), response.status), statuses.end())
      << response.status;
  EXPECT_TRUE(response.says_close());
  EXPECT_EQ(client.wait_end(), End::Closed) << "a reset can destroy the answer on its way";
  expect_bystander_served();
  const auto line = stop_and_take_line();
  EXPECT_EQ(line.value("http_status_code", 0), response.status);
  EXPECT_EQ(line.value("completion", ""), "rejected") << line;
  EXPECT_EQ(line.value("severity", ""), response.status < 500 ? "warning" : "error");
}

const std::string kSmuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

INSTANTIATE_TEST_SUITE_P(
    Bytes, BadRequestTest,
    ::testing::Values(
        BadBytes{"garbage", "\x01\x02garbage\r\n\r\n", {400}},
        BadBytes{"tls_hello",
                 std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15),
                 {400}},
        BadBytes{"http2_preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 505}},
        BadBytes{"http09", "GET /\r\n\r\n", {400, 505}},
        BadBytes{"version_2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", {505}},
        BadBytes{"version_typo", "GET / HTTX/1.1\r\nHost: a\r\n\r\n", {400}},
        BadBytes{"no_host", "GET / HTTP/1.1\r\n\r\n", {400}},
        BadBytes{"two_hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", {400}},
        BadBytes{"bad_host", "GET / HTTP/1.1\r\nHost: a b/c\r\n\r\n", {400}},
        BadBytes{"blank_before_colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", {400}},
        BadBytes{"obs_fold", "GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", {400}},
        BadBytes{"bare_lf", "GET / HTTP/1.1\nHost: a\n\n\r\n\r\n", {400}},
        BadBytes{"bare_cr", "GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", {400}},
        BadBytes{"nul", std::string("GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", 36), {400}},
        BadBytes{"blank_in_target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", {400}},
        BadBytes{"length_and_chunked",
                 with("Content-Length: 5\r\nTransfer-Encoding: chunked", "0\r\n\r\n" + kSmuggled),
                 {400}},
        BadBytes{"two_lengths",
                 with("Content-Length: 5\r\nContent-Length: 6", "hello!" + kSmuggled),
                 {400}},
        BadBytes{"length_list", with("Content-Length: 5, 5", "hello" + kSmuggled), {400}},
        BadBytes{"length_negative", with("Content-Length: -1"), {400}},
        BadBytes{"length_plus", with("Content-Length: +5", "hello"), {400}},
        BadBytes{"length_hex", with("Content-Length: 0x5", "hello"), {400}},
        BadBytes{"length_huge", with("Content-Length: 99999999999999999999999"), {400, 413}},
        BadBytes{"body_too_big", with("Content-Length: 2000000"), {413}},
        BadBytes{"coding_unknown", with("Transfer-Encoding: gzip", "hello"), {400, 501}},
        BadBytes{"coding_twice",
                 with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"),
                 {400, 501}},
        BadBytes{"coding_list", with("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), {400, 501}},
        BadBytes{"coding_in_http10",
                 "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                 {400, 501}},
        BadBytes{"head_too_big",
                 "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(20'000, 'x') + "\r\n\r\n",
                 {431}},
        BadBytes{"target_too_big",
                 "GET /" + std::string(20'000, 'x') + " HTTP/1.1\r\nHost: a\r\n\r\n",
                 {414, 431}},
        BadBytes{"chunk_not_hex",
                 "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                 {400}},
        BadBytes{"chunk_too_long",
                 "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                 "chunked\r\n\r\nffffffffffffffffff\r\n",
                 {400, 413}},
        BadBytes{"chunk_without_end",
                 "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "
                 "chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
                 {400}}),
    [](const auto& test) { return test.param.name; });

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

TEST_F(HttpTest, AHeadThatDoesNotEndIsTimedOut) {
  RawClient client(address);
  client.send("GET / HTTP/1.1\r\nHost: a\r\n");
  const Response response = client.read_response();  // header_timeout: 10s
  EXPECT_EQ(response.status, 408);
  EXPECT_EQ(client.wait_end(), End::Closed);
  const auto line = stop_and_take_line();
  EXPECT_EQ(line.value("completion", ""), "timeout") << line;
  EXPECT_EQ(line.value("http_status_code", 0), 408);
}

TEST_F(HttpTest, ATrickledHeadDoesNotRestartItsTimeout) {
  RawClient client(address);
  client.send("GET / HTTP/1.1\r\nHost: a\r\n");
  const TimePoint begun = Clock::now();
  // A byte whenever half a second has passed without an answer: a slow loris.
  while (client.wait_end(500ms) == End::StillOpen) {
    client.send("X");
    ASSERT_LT(Clock::now() - begun, kCap);
  }
  EXPECT_EQ(client.read_response().status, 408);
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
  const std::string longest(6000, 'u');
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
