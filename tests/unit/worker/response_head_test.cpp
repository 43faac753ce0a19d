#include "worker/core/response_head.hpp"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "worker/core/chunk.hpp"

namespace holdfast::worker {
namespace {

std::string text_of(const ResponseHead& head) {
  std::string text;
  append_response_head(text, head);
  return text;
}

TEST(ResponseHeadTest, HasItsPartsInOrder) {
  const std::vector<HeaderField> fields{{"Content-Type", "text/plain"}, {"X-A", ""}};
  EXPECT_EQ(text_of({.status = 200,
                     .date = "Sun, 06 Nov 1994 08:49:37 GMT",
                     .fields = fields,
                     .framing = BodyFraming::Length,
                     .content_length = 13,
                     .connection = ConnectionHeader::Close}),
            "HTTP/1.1 200 OK\r\n"
            "Content-Type: text/plain\r\n"
            "X-A: \r\n"
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
            "Content-Length: 13\r\n"
            "Connection: close\r\n"
            "\r\n");
  EXPECT_EQ(text_of({.status = 299, .framing = BodyFraming::Chunked}),
            "HTTP/1.1 299 \r\nTransfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(text_of({.status = 200,
                     .framing = BodyFraming::UntilClose,
                     .connection = ConnectionHeader::KeepAlive}),
            "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\n\r\n");
  EXPECT_EQ(text_of({.status = 204, .framing = BodyFraming::None}),
            "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(ResponseHeadTest, HandlersCannotContradictTheFraming) {
  const std::vector<HeaderField> fields{{"content-length", "7"},
                                        {"Transfer-Encoding", "chunked"},
                                        {"CONNECTION", "keep-alive"},
                                        {"Keep-Alive", "timeout=5"},
                                        {"date", "today"},
                                        {"Upgrade", "x"}};
  EXPECT_EQ(text_of({.date = "now", .fields = fields, .content_length = 1}),
            "HTTP/1.1 200 OK\r\ndate: today\r\nUpgrade: x\r\nContent-Length: 1\r\n\r\n");
}

TEST(ResponseHeadTest, SwitchingProtocolsKeepsItsConnectionField) {
  const std::vector<HeaderField> fields{{"Connection", "Upgrade"}, {"Upgrade", "websocket"}};
  EXPECT_EQ(
      text_of({.status = 101, .fields = fields, .framing = BodyFraming::None}),
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n");
}

TEST(ResponseHeadTest, KeepAliveIsSaidWhereTheConnectionStaysOpen) {
  const std::string lines = "Connection: keep-alive\r\nKeep-Alive: timeout=70\r\n";
  ResponseHead head{.status = 204, .framing = BodyFraming::None, .keep_alive = lines};
  EXPECT_EQ(text_of(head), "HTTP/1.1 204 No Content\r\n" + lines + "\r\n");
  head.connection = ConnectionHeader::KeepAlive;
  EXPECT_EQ(text_of(head), "HTTP/1.1 204 No Content\r\n" + lines + "\r\n");
  head.connection = ConnectionHeader::Close;
  EXPECT_EQ(text_of(head), "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
  head = {.status = 101, .framing = BodyFraming::None, .keep_alive = lines};
  EXPECT_EQ(text_of(head), "HTTP/1.1 101 Switching Protocols\r\n\r\n");
}

TEST(ResponseHeadTest, ConnectionIsSaidWhereTheVersionsDefaultIsNotMeant) {
  struct Case {
    int minor;
    bool client_keep_alive;
    bool must_close;
    ConnectionHeader header;
  };
  for (const Case& c : std::vector<Case>{
           {1, true, false, ConnectionHeader::None},
           {1, true, true, ConnectionHeader::Close},
           {1, false, false, ConnectionHeader::Close},
           {1, false, true, ConnectionHeader::Close},
           {0, true, false, ConnectionHeader::KeepAlive},
           {0, true, true, ConnectionHeader::Close},
           {0, false, false, ConnectionHeader::Close},
           {0, false, true, ConnectionHeader::Close},
       }) {
    EXPECT_EQ(connection_header(c.minor, c.client_keep_alive, c.must_close), c.header)
        << c.minor << c.client_keep_alive << c.must_close;
  }
}

TEST(ResponseHeadTest, FramingFollowsStatusVersionAndLength) {
  for (const int status : {100, 101, 103, 199, 204, 304}) {
    EXPECT_EQ(body_framing(status, 1, true), BodyFraming::None) << status;
    EXPECT_EQ(body_framing(status, 0, false), BodyFraming::None) << status;
  }
  for (const int status : {200, 205, 206, 400, 500}) {
    EXPECT_EQ(body_framing(status, 1, true), BodyFraming::Length) << status;
    EXPECT_EQ(body_framing(status, 0, true), BodyFraming::Length) << status;
    EXPECT_EQ(body_framing(status, 1, false), BodyFraming::Chunked) << status;
    EXPECT_EQ(body_framing(status, 0, false), BodyFraming::UntilClose) << status;
  }
}

TEST(ResponseHeadTest, FieldsThatWouldSplitTheResponseAreInvalid) {
  for (int i = 0; i < 256; ++i) {
    const std::string byte(1, static_cast<char>(i));
    const bool control = (i < 0x20 && i != '\t') || i == 0x7f;
    EXPECT_EQ(valid_field_value("a" + byte + "b"), !control) << i;
  }
  EXPECT_TRUE(valid_field_value(""));
  EXPECT_TRUE(valid_field_name("X-a_1!"));
  for (const char* name : {"", "a b", "a:", "a\r\n", "a\x80", "(a)", "a\"b"})
    EXPECT_FALSE(valid_field_name(name)) << name;
}

TEST(ResponseHeadTest, DatesAreInTheFormOfRfc9110) {
  const auto date = [](std::int64_t seconds) {
    std::string text;
    append_http_date(text, std::chrono::sys_seconds(std::chrono::seconds(seconds)));
    return text;
  };
  EXPECT_EQ(date(784'111'777), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
  EXPECT_EQ(date(951'782'399), "Mon, 28 Feb 2000 23:59:59 GMT");
  EXPECT_EQ(date(951'782'400), "Tue, 29 Feb 2000 00:00:00 GMT");
  EXPECT_EQ(date(1'767'225'599), "Wed, 31 Dec 2025 23:59:59 GMT");
}

TEST(ChunkTest, ChunksCarryTheirSizeInHex) {
  std::string out;
  append_chunk(out, std::string(26, 'x'));
  append_chunk(out, "");
  append_chunk_header(out, 0xABCDEF);
  append_last_chunk(out);
  EXPECT_EQ(out, "1a\r\n" + std::string(26, 'x') + "\r\nabcdef\r\n0\r\n\r\n");
}

}  // namespace
}  // namespace holdfast::worker
