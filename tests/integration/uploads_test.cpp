// Bodies that a handler reads when it likes: the client waits, "100 Continue" waits, and an answer
// that comes before the end of an upload arrives all the same.
#include <chrono>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <gtest/gtest.h>

#include "tests/integration/streams_fixture.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kMuch = 64'000'000;

std::string upload_head(const std::string& target, std::size_t size, const std::string& more = "") {
  return "POST " + target + " HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(size) +
         "\r\n" + more + "\r\n";
}

class UploadsTest : public StreamsTest {
 protected:
  static void send_much(RawClient& client, std::size_t size) {
    const std::string piece(1'000'000, 'u');
    for (; size != 0; size -= piece.size()) client.send(piece);
  }
};

TEST_F(UploadsTest, AClientIsHeldUpUntilTheHandlerReadsAndMemoryStaysFlat) {
  RawClient client(address);
  client.send(upload_head("/later?gate", kMuch));
  wait_count("later", 1);
  MemoryPeak memory(worker);
  const timeval soon{0, 300'000};
  ::setsockopt(client.fd(), SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon);
  const std::string piece(1'000'000, 'u');
  std::size_t sent = 0;
  for (;;) {
    const ssize_t n = ::send(client.fd(), piece.data(), piece.size(), MSG_NOSIGNAL);
    if (n < 0) break;
    sent += static_cast<std::size_t>(n);
    memory.sample();
    ASSERT_LT(sent, kMuch / 2) << "nothing holds it up";
  }
  expect_bystander_served();
  open_gate("gate");
  const timeval patient{30, 0};
  ::setsockopt(client.fd(), SOL_SOCKET, SO_SNDTIMEO, &patient, sizeof patient);
  for (; sent < kMuch; memory.sample()) {
    const std::size_t next = std::min(piece.size(), kMuch - sent);
    client.send(std::string_view(piece).substr(0, next));
    sent += next;
  }
  EXPECT_EQ(client.read_response().body, std::to_string(kMuch));
  memory.expect_below(20'000);
  const auto line = stop_and_take_line();
  EXPECT_EQ(line.value("request_size", std::size_t{0}), kMuch) << line;
  EXPECT_EQ(line.value("bytes_received", std::size_t{0}),
            upload_head("/later?gate", kMuch).size() + kMuch);
}

TEST_F(UploadsTest, ContinueIsSaidOnlyWhenTheHandlerReads) {
  RawClient client(address);
  client.send(upload_head("/later?gate", 5, "Expect: 100-continue\r\n"));
  wait_count("later", 1);
  EXPECT_EQ(client.wait_end(100ms), End::StillOpen);
  open_gate("gate");
  EXPECT_EQ(client.read_head().status, 100);
  client.send("12345");
  EXPECT_EQ(client.read_response().body, "5");
  expect_clean_stop(run);
}

TEST_F(UploadsTest, CurlWaitsForContinue) {
  const std::string path = run.files().write("body", std::string(3'000'000, 'c'));
  const std::string out = run.files().file("out");
  const std::string trace = run.files().file("trace");
  ChildProcess curl(
      {.argv = {"curl", "-sS", "-o", out, "--trace-ascii", trace, "--expect100-timeout", "25", "-H",
                "Expect: 100-continue", "-T", path, "http://" + address + "/later?gate"}});
  wait_count("later", 1);
  open_gate("gate");
  EXPECT_EQ(curl.wait_exit(), exited(0));
  EXPECT_EQ(read_text(out), "3000000");
  const std::string seen = read_text(trace);
  EXPECT_LT(seen.find("HTTP/1.1 100 Continue"), seen.find("=> Send data")) << seen.substr(0, 3000);
  expect_clean_stop(run);
}

TEST_F(UploadsTest, ARefusalComesInsteadOfContinue) {
  RawClient client(address);
  client.send(upload_head("/early?413", kMuch, "Expect: 100-continue\r\n"));
  const Response response = client.read_response();
  EXPECT_EQ(response.status, 413);
  EXPECT_TRUE(response.says_close());
  EXPECT_EQ(client.wait_end(), End::Closed);
}

// Once the response has begun, "100 Continue" would be bytes of its body.
TEST_F(UploadsTest, ContinueIsNeverSaidWithinAResponse) {
  RawClient client(address);
  client.send(upload_head("/head-first", 5, "Expect: 100-continue\r\n"));
  Response response = client.read_head();
  EXPECT_EQ(response.status, 200);
  client.send("12345");
  client.read_body(response);
  EXPECT_EQ(response.body, "head first, 5");
}

class EarlyAnswerTest : public UploadsTest, public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Statuses, EarlyAnswerTest, ::testing::Values("200", "413"));

TEST_P(EarlyAnswerTest, ItIsWholeForAClientThatReadsOnlyAfterItsUpload) {
  RawClient client(address);
  client.send(upload_head("/early?" + std::string(GetParam()), kMuch));
  send_much(client, kMuch);
  const Response response = client.read_response();
  EXPECT_EQ(response.status, std::stoi(GetParam()));
  EXPECT_EQ(response.body, std::string(300'000, 'e'));
  EXPECT_EQ(client.wait_end(), End::Closed);
  const auto line = stop_and_take_line();
  EXPECT_EQ(line.value("completion", ""), "ok") << line;
  EXPECT_EQ(line.value("response_size", 0), 300'000);
}

TEST_P(EarlyAnswerTest, CurlReadsItWhileItSends) {
  const std::string path = run.files().write("body", std::string(kMuch, 'c'));
  const std::string out = run.files().file("out");
  const auto curl = run_command({"curl", "-sS", "-H", "Expect:", "-T", path, "-o", out, "-w",
                                 "%{http_code}", "http://" + address + "/early?" + GetParam()});
  EXPECT_EQ(curl.out, GetParam()) << curl.err;
  EXPECT_EQ(read_text(out).size(), 300'000u);
}

TEST_F(UploadsTest, AClientThatSendsNoMoreBehindAnEarlyAnswerIsLetGo) {
  expect_bystander_served();
  const std::size_t before = open_fds(worker).size();
  RawClient client(address);
  client.send(upload_head("/early?413", kMuch) + "a little");
  EXPECT_EQ(client.read_response().status, 413);
  EXPECT_EQ(client.wait_end(), End::Closed);
  EXPECT_TRUE(eventually([&] { return open_fds(worker).size() == before; }, scaled(5s)));
}

TEST_F(UploadsTest, AClientThatNeverStopsSendingIsLetGoAfterHalfAMinute) {
  expect_bystander_served();
  RawClient client(address);
  client.send(upload_head("/early?413", kMuch));
  EXPECT_EQ(client.read_response().status, 413);
  EXPECT_EQ(client.wait_end(), End::Closed) << "the end of the answer is seen at once";
  const TimePoint answered = Clock::now();
  try {
    while (Clock::now() - answered < 60s) {
      client.send("x");
      pollfd reset{client.fd(), 0, 0};  // a trickle, until the worker has enough of it
      if (::poll(&reset, 1, 200) > 0 && (reset.revents & POLLERR) != 0) break;
    }
  } catch (const RawClientError&) {
  }
  EXPECT_GT(Clock::now() - answered, 25s);
  EXPECT_LT(Clock::now() - answered, 40s);
  expect_bystander_served();
}

}  // namespace
}  // namespace holdfast::testing
