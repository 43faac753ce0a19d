// Bytes that no well-behaved client sends: each gets its status, a close in order and exactly one
// access-log line, and costs nobody else anything. What would let a request be smuggled past a
// proxy (RFC 9112, 11.2) is refused, never guessed at.
#include <algorithm>

#include <gtest/gtest.h>

#include "tests/integration/http_fixture.hpp"

namespace holdfast::testing {
namespace {

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

}  // namespace
}  // namespace holdfast::testing
