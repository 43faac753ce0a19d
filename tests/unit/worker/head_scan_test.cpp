#include "worker/core/head_scan.hpp"

#include <cctype>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast::worker {
namespace {

using Verdict = HeadScan::Verdict;
using namespace std::string_view_literals;

HeadScan scan(std::string_view bytes, const HeadLimits& limits = {}) {
  std::size_t resume = 0;
  return scan_head(bytes, resume, limits);
}

// 0 for a head that is accepted, -1 for one that wants more bytes.
int status_of(std::string_view bytes, const HeadLimits& limits = {}) {
  const HeadScan result = scan(bytes, limits);
  if (result.verdict == Verdict::NeedMore) return -1;
  return result.verdict == Verdict::Complete ? 0 : result.status;
}

std::string with(std::string_view fields, std::string_view request_line = "POST / HTTP/1.1") {
  return std::string(request_line) + "\r\nHost: a\r\n" + std::string(fields) + "\r\n\r\n";
}

TEST(HeadScanTest, CompleteHeadEndsBehindItsEmptyLine) {
  const std::string_view head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
  const HeadScan result = scan(std::string(head) + "GET /next HTTP/1.1\r\n");
  EXPECT_EQ(result.verdict, Verdict::Complete);
  EXPECT_EQ(result.size, head.size());
  EXPECT_EQ(result.skip, 0U);
}

TEST(HeadScanTest, OneLeadingCrlfIsSkipped) {
  const HeadScan result = scan("\r\nGET / HTTP/1.0\r\n\r\n");
  EXPECT_EQ(result.verdict, Verdict::Complete);
  EXPECT_EQ(result.skip, 2U);
  EXPECT_EQ(result.size, 18U);
  EXPECT_EQ(status_of("\r"), -1);
  EXPECT_EQ(status_of("\r\n"), -1);
  EXPECT_EQ(status_of("\r\n\r\n"), 400);
  EXPECT_EQ(status_of("\r\n\r\nGET / HTTP/1.0\r\n\r\n"), 400);
  EXPECT_EQ(status_of("\rGET"), 400);
  EXPECT_EQ(status_of("\nGET / HTTP/1.0\r\n\r\n"), 400);
}

TEST(HeadScanTest, ByteByByteComesToTheSameVerdict) {
  const std::vector<std::string> inputs{"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                        "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
                                        "GET / HTTP/1.1\nHost: a\r\n\r\n",
                                        with("A: b\r\n c"),
                                        with("Transfer-Encoding: xchunked"),
                                        "GET /" + std::string(20'000, 'x'),
                                        "GET / HTTP/1.1\r\nA: " + std::string(20'000, 'x')};
  for (const std::string& bytes : inputs) {
    const HeadScan whole = scan(bytes);
    std::size_t resume = 0;
    HeadScan split;
    for (std::size_t size = 1; size <= bytes.size() && split.verdict == Verdict::NeedMore; ++size)
      split = scan_head(std::string_view(bytes).substr(0, size), resume, {});
    EXPECT_EQ(split.verdict, whole.verdict) << bytes.substr(0, 60);
    EXPECT_EQ(split.status, whole.status) << bytes.substr(0, 60);
    EXPECT_EQ(split.size, whole.size) << bytes.substr(0, 60);
  }
}

TEST(HeadScanTest, ResumeIsWhereTheNextCallGoesOn) {
  std::size_t resume = 0;
  EXPECT_EQ(scan_head("GET / HTTP/1.1\r\nHo", resume, {}).verdict, Verdict::NeedMore);
  EXPECT_EQ(resume, 18U);
  EXPECT_EQ(scan_head("GET / HTTP/1.1\r\nHost: a\r\n\r\n", resume, {}).verdict, Verdict::Complete);
}

TEST(HeadScanTest, WhatIsNotHttpIsRefusedAtItsFirstByte) {
  EXPECT_EQ(status_of("\x16\x03\x01"), 400);
  EXPECT_EQ(status_of(" "), 400);
  EXPECT_EQ(status_of("\0"sv), 400);
}

TEST(HeadScanTest, LimitsHaveTheirOwnStatus) {
  const HeadLimits limits{.max_head = 128, .max_target = 32, .max_fields = 3};
  EXPECT_EQ(status_of("GET /" + std::string(31, 'x') + " HTTP/1.0\r\n\r\n", limits), 0);
  EXPECT_EQ(status_of("GET /" + std::string(32, 'x') + " HTTP/1.0\r\n\r\n", limits), 414);
  EXPECT_EQ(status_of("GET /" + std::string(122, 'x'), limits), -1);
  EXPECT_EQ(status_of("GET /" + std::string(123, 'x'), limits), 414);
  const std::string line = "GET / HTTP/1.0\r\nA: ";
  const std::string end = "\r\n\r\n";
  EXPECT_EQ(status_of(line + std::string(128 - line.size() - 4, 'x') + end, limits), 0);
  EXPECT_EQ(status_of(line + std::string(128 - line.size() - 3, 'x') + end, limits), 431);
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\nA:\r\nA:\r\nA:\r\n\r\n", limits), 0);
  EXPECT_EQ(status_of("GET / HTTP/1.0\r\nA:\r\nA:\r\nA:\r\nA:\r\n\r\n", limits), 431);
}

TEST(HeadScanTest, EveryByteHasItsPlace) {
  const std::string_view token_marks = "!#$%&'*+-.^_`|~";
  for (int i = 0; i < 256; ++i) {
    const char c = static_cast<char>(i);
    const bool alphanumeric = i < 128 && std::isalnum(i) != 0;
    const bool token = alphanumeric || (c != '\0' && token_marks.find(c) != std::string_view::npos);
    const bool control = i < 0x20 || i == 0x7f;
    SCOPED_TRACE(i);
    EXPECT_EQ(status_of(with(std::string("A") + c + "b: v")), token || c == ':' ? 0 : 400);
    EXPECT_EQ(status_of(with("", std::string("G") + c + "T / HTTP/1.1")), token ? 0 : 400);
    EXPECT_EQ(status_of(with("", std::string("GET /a") + c + "b HTTP/1.1")),
              control || c == ' ' ? 400 : 0);
    for (const std::size_t before : {0U, 1U, 6U, 7U, 8U, 9U, 15U, 16U}) {
      EXPECT_EQ(status_of(with("A: " + std::string(before, 'v') + c + std::string(9, 'v'))),
                control && c != '\t' ? 400 : 0);
    }
  }
}

struct Case {
  int status;
  std::string bytes;
};

TEST(HeadScanTest, RequestLines) {
  const std::vector<Case> cases{
      {0, with("", "GET / HTTP/1.1")},
      {0, with("", "GET / HTTP/1.0")},
      {0, with("", "M-SEARCH / HTTP/1.1")},
      {0, with("", "get / HTTP/1.1")},
      {0, with("", "OPTIONS * HTTP/1.1")},
      {400, with("", "GET * HTTP/1.1")},
      {400, with("", "OPTIONS ** HTTP/1.1")},
      {0, with("", "GET http://example.org HTTP/1.1")},
      {0, with("", "GET HTTP://example.org:80/a?b HTTP/1.1")},
      {0, with("", "GET https://[::1]:80/ HTTP/1.1")},
      {400, with("", "GET http:///a HTTP/1.1")},
      {400, with("", "GET http://u@h/ HTTP/1.1")},
      {400, with("", "GET ftp://h/ HTTP/1.1")},
      {400, with("", "GET example.org:80 HTTP/1.1")},
      {400, with("", "GET a HTTP/1.1")},
      {400, with("", "GET ?a HTTP/1.1")},
      {0, with("", "CONNECT example.org:443 HTTP/1.1")},
      {400, with("", "CONNECT example.org HTTP/1.1")},
      {400, with("", "CONNECT / HTTP/1.1")},
      {400, with("", "CONNECT http://a:1/ HTTP/1.1")},
      {400, with("", "GET  / HTTP/1.1")},
      {400, with("", "GET /  HTTP/1.1")},
      {400, with("", "GET / HTTP/1.1 ")},
      {400, with("", " GET / HTTP/1.1")},
      {400, with("", "GET\t/ HTTP/1.1")},
      {400, with("", "GET /\tHTTP/1.1")},
      {400, with("", "GET /")},
      {400, with("", "GET")},
      {400, with("", "GET / http/1.1")},
      {400, with("", "GET / HTTP/1.1x")},
      {400, with("", "GET / HTTP/1")},
      {400, with("", "GET / HTTP/11")},
      {400, with("", "GET / HTTP/1.10")},
      {400, with("", "GET / HTTP/ 1.1")},
      {400, with("", "GET / HTTP/1,1")},
      {400, with("", "GET / HTTP/1.1\rX")},
      {505, with("", "GET / HTTP/0.9")},
      {505, with("", "GET / HTTP/1.2")},
      {505, with("", "GET / HTTP/2.0")},
      {505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"},
  };
  for (const Case& c : cases) EXPECT_EQ(status_of(c.bytes), c.status) << c.bytes;
}

TEST(HeadScanTest, LinesAndFieldNames) {
  const std::vector<Case> cases{
      {400, "GET / HTTP/1.1\nHost: a\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\n\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\n\n"},
      {400, with("A: b\rc: d")},
      {400, with("A: b\r")},
      {400, with("A\r: b")},
      {400, with("A: b\r\n c")},
      {400, with("A: b\r\n\tc")},
      {400, with("A: b\r\n ")},
      {400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"},
      {400, with("A : b")},
      {400, with("A\t: b")},
      {400, with("A b: c")},
      {400, with("A")},
      {400, with(": b")},
      {400, with("A: b\0c"sv)},
      {400, with("A\0: b"sv)},
      {400, with("A: \x01")},
      {400, with("A: \x7f")},
      {400, with("\xC3\xA9: b")},
      {0, with("A:")},
      {0, with("A: \t ")},
      {0, with("A:b")},
      {0, with("A: b\tc \xC3\xA9\xff ")},
  };
  for (const Case& c : cases) EXPECT_EQ(status_of(c.bytes), c.status) << c.bytes;
}

TEST(HeadScanTest, Hosts) {
  const auto host = [](std::string_view value) {
    return "GET / HTTP/1.1\r\nHost:" + std::string(value) + "\r\n\r\n";
  };
  const std::vector<Case> cases{
      {400, "GET / HTTP/1.1\r\n\r\n"},
      {400, "GET http://a/ HTTP/1.1\r\n\r\n"},
      {0, "GET / HTTP/1.0\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n"},
      {400, "GET / HTTP/1.1\r\nHost: a\r\nhOST: b\r\n\r\n"},
      {400, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"},
      {400, "GET / HTTP/1.0\r\nHost: a/b\r\n\r\n"},
      {0, host("")},
      {0, host("a")},
      {0, host(" a.example:8080 ")},
      {0, host("a:")},
      {0, host("192.0.2.1:80")},
      {0, host("[::1]")},
      {0, host("[::1]:80")},
      {0, host("%41!$&'()*+,;=-._~")},
      {400, host(":80")},
      {400, host("a:b")},
      {400, host("a:80:80")},
      {400, host("a:123456")},
      {400, host("a b")},
      {400, host("a/b")},
      {400, host("a@b")},
      {400, host("a?b")},
      {400, host("a#b")},
      {400, host("a\\b")},
      {400, host("::1")},
      {400, host("[::1")},
      {400, host("[]")},
      {400, host("[::1]x")},
      {400, host("[a/b]")},
      {400, host("a\xC3\xA9")},
  };
  for (const Case& c : cases) EXPECT_EQ(status_of(c.bytes), c.status) << c.bytes;
}

// Each of these was, somewhere, a way to make two servers see two different requests.
TEST(HeadScanTest, Smuggling) {
  const std::vector<Case> cases{
      {0, with("Content-Length: 5")},
      {0, with("Content-Length: 0")},
      {0, with("Content-Length: 005")},  // decimal by RFC 9110, 8.6, whatever it looks like
      {0, with("Content-Length: 9223372036854775807")},
      {400, with("Content-Length: 9223372036854775808")},
      {400, with("Content-Length: 18446744073709551617")},
      {400, with("Content-Length: 99999999999999999999999999")},
      {400, with("Content-Length:")},
      {400, with("Content-Length: +5")},
      {400, with("Content-Length: -5")},
      {400, with("Content-Length: 0x5")},
      {400, with("Content-Length: 5,5")},
      {400, with("Content-Length: 5, 6")},
      {400, with("Content-Length: 5 5")},
      {400, with("Content-Length: 5.0")},
      {400, with("Content-Length: 5\r\nContent-Length: 5")},
      {400, with("Content-Length: 5\r\ncontent-length: 6")},
      {400, with("Content-Length : 5")},
      {400, with("Content-Length\t: 5")},
      {400, with("Content-Length: 5\0"sv)},
      {400, with("Content-Length: 5\x0b")},
      {0, with("Transfer-Encoding: chunked")},
      {0, with("transfer-encoding:\tCHUNKED \t")},
      {400, with("Transfer-Encoding: chunked\r\nContent-Length: 5")},
      {400, with("Content-Length: 5\r\nTransfer-Encoding: chunked")},
      {400, with("Content-Length: 0\r\nTransfer-Encoding: chunked")},
      {400, with("Transfer-Encoding: chunked, chunked")},
      {400, with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked")},
      {400, with("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity")},
      {400, with("Transfer-Encoding: chunked,")},
      {400, with("Transfer-Encoding: ,chunked")},
      {400, with("Transfer-Encoding: chunked, gzip")},
      {400, with("Transfer-Encoding:")},
      {400, with("Transfer-Encoding: ,")},
      {400, with("Transfer-Encoding: \x0b"
                 "chunked")},
      {400, with("Transfer-Encoding: chunked\x0b")},
      {400, with("Transfer-Encoding : chunked")},
      {400, with("Transfer-Encoding:\r\n chunked")},
      {400, with("Transfer\0-Encoding: chunked"sv)},
      {501, with("Transfer-Encoding: xchunked")},
      {501, with("Transfer-Encoding: chunkedx")},
      {501, with("Transfer-Encoding: \"chunked\"")},
      {501, with("Transfer-Encoding: chunked;q=1")},
      {501, with("Transfer-Encoding: gzip, chunked")},
      {501, with("Transfer-Encoding: gzip")},
      {501, with("Transfer-Encoding: identity")},
      {501, with("Transfer-Encoding: \xff"
                 "chunked")},
      {400, with("Transfer-Encoding: chunked", "POST / HTTP/1.0")},
      {400, with("Transfer-Encoding: identity", "POST / HTTP/1.0")},
      {0, with("Transfer_Encoding: chunked")},
      {0, with("X-Transfer-Encoding: chunked")},
  };
  for (const Case& c : cases) EXPECT_EQ(status_of(c.bytes), c.status) << c.bytes;
}

TEST(HeadScanTest, ExpectationsAndConnectionOptions) {
  const std::vector<Case> cases{
      {0, with("Expect: 100-continue")},
      {0, with("Expect: 100-Continue")},
      {417, with("Expect: 200-ok")},
      {417, with("Expect: 100-continue, x")},
      {0, with("Expect: x", "POST / HTTP/1.0")},
      {0, with("Connection: close")},
      {0, with("Connection: keep-alive, Upgrade")},
      {0, with("Connection:")},
      {0, with("Connection: ,, close ,")},
      {400, with("Connection: close x")},
      {400, with("Connection: \"close\"")},
      {400, with("Connection: close;q=1")},
  };
  for (const Case& c : cases) EXPECT_EQ(status_of(c.bytes), c.status) << c.bytes;
}

TEST(HeadScanTest, EveryRejectionSaysWhy) {
  const HeadScan result = scan(with("Transfer-Encoding : chunked"));
  EXPECT_EQ(result.verdict, Verdict::Reject);
  EXPECT_STREQ(result.reason, "white space in a field's name");
}

TEST(Trailers, AreHeldToTheRulesOfAHead) {
  for (const char* good : {"\r\n", "X: y\r\n\r\n", "X: y\r\nZ:\r\n\r\n"})
    EXPECT_TRUE(valid_trailers(good)) << good;
  for (const char* bad :
       {"X: y\r\n z\r\n\r\n", " X: y\r\n\r\n", "X : y\r\n\r\n", "X\r\n\r\n", ": y\r\n\r\n",
        "X: y\nZ: z\r\n\r\n", "X: y\rZ: z\r\n\r\n", "Content-Length: x\r\n\r\n", "\r\r\n\r\n"}) {
    EXPECT_FALSE(valid_trailers(bad)) << bad;
  }
}

}  // namespace
}  // namespace holdfast::worker
