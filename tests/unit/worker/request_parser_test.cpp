#include "worker/io/request_parser.hpp"

#include <random>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast::worker {
namespace {

class RequestParserTest : public testing::Test {
 protected:
  // As the server does it: scan, then parse.
  int parse(std::string bytes) {
    bytes_ = std::move(bytes);
    std::size_t resume = 0;
    const HeadScan scan = scan_head(bytes_, resume, {});
    if (scan.verdict != HeadScan::Verdict::Complete) return scan.status;
    return parser_.parse_head(std::string_view(bytes_).substr(scan.skip, scan.size), {});
  }

  std::string bytes_;
  RequestParser parser_;
};

// How a body ends: its bytes, the status it was rejected with, and what was not consumed.
struct Body {
  std::string content;
  int status = 0;
  bool done = false;
  std::string rest;
  bool operator==(const Body&) const = default;
};

constexpr std::string_view kChunked =
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

// Feeds `bytes` in pieces of `step` bytes, as a connection would: what is left comes again.
Body read_body(std::string_view bytes, std::size_t step, std::string_view head = kChunked) {
  RequestParser parser;
  EXPECT_EQ(parser.parse_head(head, {}), 0);
  Body body;
  for (std::size_t at = 0; at < bytes.size() && !parser.body_done();) {
    const std::size_t size = std::min(step, bytes.size() - at);
    body.rest += bytes.substr(at, size);
    at += size;
    const auto result =
        parser.feed_body(body.rest, [&body](std::string_view piece) { body.content += piece; });
    body.rest.erase(0, result.consumed);
    body.status = result.reject_status;
    if (body.status != 0) return {"", body.status, false, ""};
    EXPECT_EQ(result.done, parser.body_done());
    if (result.done) body.rest += bytes.substr(at);
  }
  body.done = parser.body_done();
  return body;
}

TEST_F(RequestParserTest, HeadIsReadIntoViewsOfTheCallersBytes) {
  ASSERT_EQ(parse("POST /a?b=c HTTP/1.1\r\nHost: example.org:80\r\nUser-Agent:  test/1 \r\n"
                  "Referer: http://r/\r\nX-Request-ID: abc.1:/=+-_\r\nContent-Length: 5\r\n"
                  "Expect: 100-continue\r\n\r\n"),
            0);
  const RequestHead& head = parser_.head();
  EXPECT_EQ(head.method, "POST");
  EXPECT_EQ(head.target, "/a?b=c");
  EXPECT_EQ(head.host, "example.org:80");
  EXPECT_EQ(head.minor, 1);
  EXPECT_EQ(head.user_agent, "test/1");
  EXPECT_EQ(head.referer, "http://r/");
  EXPECT_EQ(head.request_id, "abc.1:/=+-_");
  EXPECT_TRUE(head.keep_alive);
  EXPECT_TRUE(head.expect_continue);
  EXPECT_TRUE(head.has_length);
  EXPECT_EQ(head.content_length, 5U);
  EXPECT_FALSE(head.chunked);
  EXPECT_FALSE(head.upgrade);
  EXPECT_EQ(head.field_count, 6U);
  ASSERT_EQ(parser_.fields().size(), 6U);
  EXPECT_EQ(parser_.fields()[1].name, "User-Agent");
  EXPECT_EQ(parser_.fields()[1].value, "test/1");
  for (const ParsedField& field : parser_.fields()) {
    EXPECT_GE(field.name.data(), bytes_.data());
    EXPECT_LE(field.value.data() + field.value.size(), bytes_.data() + bytes_.size());
  }
  EXPECT_FALSE(parser_.body_done());
}

TEST_F(RequestParserTest, NothingOfOneRequestIsSeenInTheNext) {
  ASSERT_EQ(parse("POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nReferer: r\r\n"
                  "X-Request-ID: x\r\nContent-Length: 5\r\n\r\n"),
            0);
  ASSERT_EQ(parse("GET /2 HTTP/1.1\r\nHost: b\r\n\r\n"), 0);
  EXPECT_EQ(parser_.head().target, "/2");
  EXPECT_EQ(parser_.head().host, "b");
  EXPECT_TRUE(parser_.head().keep_alive);
  EXPECT_FALSE(parser_.head().has_length);
  EXPECT_TRUE(parser_.head().referer.empty());
  EXPECT_TRUE(parser_.head().request_id.empty());
  EXPECT_EQ(parser_.fields().size(), 1U);
  EXPECT_TRUE(parser_.body_done());
}

TEST_F(RequestParserTest, KeepAliveFollowsTheVersionAndTheClientsWish) {
  const auto keep_alive = [this](int minor, const std::string& connection) {
    EXPECT_EQ(
        parse("GET / HTTP/1." + std::to_string(minor) + "\r\nHost: a\r\n" + connection + "\r\n"),
        0);
    return parser_.head().keep_alive;
  };
  EXPECT_TRUE(keep_alive(1, ""));
  EXPECT_FALSE(keep_alive(0, ""));
  EXPECT_TRUE(keep_alive(0, "Connection: Keep-Alive\r\n"));
  EXPECT_FALSE(keep_alive(1, "Connection: CLOSE\r\n"));
  EXPECT_FALSE(keep_alive(1, "Connection: keep-alive\r\nConnection: x, close\r\n"));
  EXPECT_FALSE(keep_alive(0, "Connection: keep-alive, close\r\n"));
  EXPECT_TRUE(keep_alive(1, "Proxy-Connection: close\r\n"));
}

TEST_F(RequestParserTest, UpgradeNeedsBothFieldsAndHttp11) {
  const auto upgrade = [this](const std::string& minor, const std::string& fields) {
    EXPECT_EQ(parse("GET / HTTP/1." + minor + "\r\nHost: a\r\n" + fields + "\r\n"), 0);
    return parser_.head().upgrade;
  };
  EXPECT_TRUE(upgrade("1", "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"));
  EXPECT_FALSE(upgrade("1", "Upgrade: websocket\r\n"));
  EXPECT_FALSE(upgrade("1", "Connection: Upgrade\r\n"));
  EXPECT_FALSE(upgrade("0", "Connection: Upgrade\r\nUpgrade: websocket\r\n"));
}

TEST_F(RequestParserTest, HostComesFromTheTargetWhereItIsThere) {
  ASSERT_EQ(parse("GET http://real:80/x HTTP/1.1\r\nHost: other\r\n\r\n"), 0);
  EXPECT_EQ(parser_.head().host, "real:80");
  EXPECT_EQ(parser_.head().target, "http://real:80/x");
  ASSERT_EQ(parse("CONNECT real:443 HTTP/1.1\r\nHost: other\r\n\r\n"), 0);
  EXPECT_EQ(parser_.head().host, "real:443");
  ASSERT_EQ(parse("OPTIONS * HTTP/1.1\r\nHost: other\r\n\r\n"), 0);
  EXPECT_EQ(parser_.head().host, "other");
}

TEST_F(RequestParserTest, RequestIdIsTakenOnlyWhenItIsSafe) {
  const auto id = [this](const std::string& value) {
    EXPECT_EQ(parse("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Id: " + value + "\r\n\r\n"), 0);
    return std::string(parser_.head().request_id);
  };
  EXPECT_EQ(id("a-Z_0"), "a-Z_0");
  EXPECT_EQ(id(std::string(128, 'x')), std::string(128, 'x'));
  EXPECT_EQ(id(std::string(129, 'x')), "");
  EXPECT_EQ(id(""), "");
  EXPECT_EQ(id("a b"), "");
  EXPECT_EQ(id("a\"b"), "");
  EXPECT_EQ(id("a\xC3\xA9"), "");
}

TEST_F(RequestParserTest, RejectsWhatTheScanWouldEvenIfItWasNotAsked) {
  EXPECT_EQ(parser_.parse_head("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", {}),
            501);
  EXPECT_EQ(parser_.parse_head("GET / HTTP/1.1\r\n\r\n", {}), 400);
  EXPECT_EQ(parser_.parse_head("GET / HTTP/1.1\r\nHost: a\r\n\r\nx", {}), 400);
  EXPECT_EQ(parser_.parse_head("GET / HTTP/1.1\r\nHost: a\r\n", {}), 400);
}

TEST(RequestBodyTest, LengthBoundsTheBody) {
  const std::string_view head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
  for (const std::size_t step : {1U, 2U, 4U, 100U})
    EXPECT_EQ(read_body("helloGET /", step, head), (Body{"hello", 0, true, "GET /"}));
  EXPECT_EQ(read_body("hell", 100, head), (Body{"hell", 0, false, ""}));
}

TEST(RequestBodyTest, NoBodyIsDoneAtOnce) {
  for (const std::string_view fields : {"", "Content-Length: 0\r\n"}) {
    RequestParser parser;
    const std::string head = "POST / HTTP/1.1\r\nHost: a\r\n" + std::string(fields) + "\r\n";
    ASSERT_EQ(parser.parse_head(head, {}), 0);
    EXPECT_TRUE(parser.body_done());
    const auto step = parser.feed_body("GET /", [](std::string_view) { FAIL(); });
    EXPECT_EQ(step.consumed, 0U);
    EXPECT_TRUE(step.done);
  }
}

TEST(RequestBodyTest, ChunksAreJoinedAndTrailersReadOver) {
  const std::vector<std::pair<std::string, std::string>> bodies{
      {"0\r\n\r\n", ""},
      {"5\r\nhello\r\n0\r\n\r\n", "hello"},
      {"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world"},
      {"00005\r\nhello\r\n000\r\n\r\n", "hello"},
      {"a\r\n0123456789\r\n0\r\n\r\n", "0123456789"},
      {"A;x;y=z;q=\"a b\"\r\n0123456789\r\n0;last\r\n\r\n", "0123456789"},
      {"2\r\n\r\n\r\n0\r\n\r\n", "\r\n"},
      {"1\r\nx\r\n0\r\nHost: b\r\nX-Trailer: y\r\n\r\n", "x"},
  };
  for (const auto& [bytes, content] : bodies) {
    for (const std::size_t step : {1U, 2U, 3U, 5U, 7U, 1000U}) {
      SCOPED_TRACE(bytes + " by " + std::to_string(step));
      EXPECT_EQ(read_body(bytes + "GET /", step), (Body{content, 0, true, "GET /"}));
    }
  }
}

TEST(RequestBodyTest, TrailersNeverBecomeFields) {
  RequestParser parser;
  ASSERT_EQ(parser.parse_head(kChunked, {}), 0);
  const auto step =
      parser.feed_body("0\r\nX-Role: admin\r\nHost: b\r\n\r\n", [](std::string_view) { FAIL(); });
  EXPECT_TRUE(step.done);
  EXPECT_EQ(parser.fields().size(), 2U);
  EXPECT_EQ(parser.head().host, "a");
  EXPECT_EQ(parser.head().field_count, 2U);
}

TEST(RequestBodyTest, BadChunkingIsRejectedHoweverItArrives) {
  const std::string more(20, 'x');
  for (const std::string_view bytes : {"\r\n5\r\nhello",
                                       "x\r\n",
                                       "-5\r\nhello",
                                       "+5\r\nhello",
                                       "0x5\r\nhello",
                                       " 5\r\nhello",
                                       "5 \r\nhello",
                                       "5\t\r\nhello",
                                       "5\nhello",
                                       "5\rhello",
                                       "5;\r\nhello",
                                       "5;a\nb\r\nhello",
                                       "5;a=\"\n\"\r\nhello",
                                       "5;a=\"\r\nhello",
                                       "5;a=\x01\r\nhello",
                                       "g\r\n",
                                       "5g\r\nhello",
                                       "5\r\nhelloX",
                                       "5\r\nhello\n0\r\n\r\n",
                                       "5\r\nhello\r0\r\n\r\n",
                                       "5\r\nhello0\r\n\r\n",
                                       "10000000000000000\r\n",
                                       "fffffffffffffffff\r\n",
                                       "0\r\nA b: c\r\n\r\n",
                                       "0\r\n: c\r\n\r\n",
                                       "0\r\nA: b\nc\r\n\r\n",
                                       "0\r\nA: b\rc\r\n\r\n",
                                       "0\r\nA : c\r\n\r\n",
                                       "0\r\nContent-Length: 5\r\n\r\n",
                                       "0\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    for (const std::size_t step : {1U, 2U, 3U, 1000U}) {
      SCOPED_TRACE(std::string(bytes) + " by " + std::to_string(step));
      EXPECT_EQ(read_body(std::string(bytes) + more, step).status, 400);
    }
  }
}

TEST(RequestBodyTest, ExtensionsAndTrailersAreBounded) {
  const auto status = [](const std::string& bytes, std::size_t step) {
    return read_body(bytes, step).status;
  };
  const std::string fits(kMaxChunkOverhead - 20, 'x');
  const std::string over(kMaxChunkOverhead + 1, 'x');
  for (const std::size_t step : {1000U, 100'000U}) {
    EXPECT_EQ(status("5;" + fits + "\r\nhello\r\n0\r\n\r\n", step), 0);
    EXPECT_EQ(status("5;" + over + "\r\nhello\r\n0\r\n\r\n", step), 400);
    EXPECT_EQ(status("5;" + over, step), 400);
    EXPECT_EQ(status("0\r\nA: " + fits + "\r\n\r\n", step), 0);
    EXPECT_EQ(status("0\r\nA: " + over + "\r\n\r\n", step), 400);
    EXPECT_EQ(status(std::string(kMaxChunkOverhead + 1, '0'), step), 400);
    std::string many;
    for (int i = 0; i < 100; ++i) many += "1;" + std::string(100, 'x') + "\r\ny\r\n";
    EXPECT_EQ(status(many, step), 400) << "many small extensions are as bad as a large one";
  }
}

TEST(RequestBodyTest, ASmallBufferIsFilledWithoutLosingTheFraming) {
  const std::string bytes = "5;x=yyyyyyyyyy\r\nhello\r\n6\r\n world\r\n0\r\nA: b\r\n\r\nGET /";
  for (const std::size_t most : {1U, 2U, 4U, 5U, 11U, 100U}) {
    RequestParser parser;
    ASSERT_EQ(parser.parse_head(kChunked, {}), 0);
    std::string_view rest = bytes;
    std::string content;
    while (!parser.body_done()) {
      std::size_t got = 0;
      const auto step = parser.feed_body(
          rest,
          [&](std::string_view piece) {
            got += piece.size();
            content += piece;
          },
          most);
      ASSERT_GT(step.consumed, 0U);
      ASSERT_LE(got, most);
      rest.remove_prefix(step.consumed);
    }
    EXPECT_EQ(content, "hello world");
    EXPECT_EQ(rest, "GET /");
  }
}

TEST(RequestBodyTest, RandomBodiesComeOutAsTheyWentIn) {
  const unsigned seed = 7;
  std::mt19937 random(seed);
  for (int round = 0; round < 200; ++round) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " round " + std::to_string(round));
    std::string content;
    std::string bytes;
    for (std::size_t chunks = random() % 8; chunks > 0; --chunks) {
      std::string piece(1 + random() % 300, '\0');
      for (char& c : piece) c = "\r\n0;x"[random() % 5];
      char size[16];
      std::snprintf(size, sizeof size, "%zx\r\n", piece.size());
      bytes += size + piece + "\r\n";
      content += piece;
    }
    bytes += "0\r\n\r\n";
    EXPECT_EQ(read_body(bytes + "next", 1 + random() % 50), (Body{content, 0, true, "next"}));
  }
}

}  // namespace
}  // namespace holdfast::worker
