#include "worker/core/request_line.hpp"

#include <string>

#include <gtest/gtest.h>

namespace holdfast::worker {
namespace {

struct Case {
  std::string bytes;
  std::string method, target, protocol;
};

TEST(RequestLineTest, ReadsAsMuchAsThereIs) {
  const Case cases[] = {
      {"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", "GET", "/a", "HTTP/1.1"},
      {"\r\nGET /a HTTP/1.0\n", "GET", "/a", "HTTP/1.0"},
      {"GET /a HTTP/2.0\r\n", "GET", "/a", "HTTP/2.0"},
      {"GET /a HTTP/11\r\n", "GET", "/a", ""},
      {"GET /a HTTP/1.1 \r\n", "GET", "/a", ""},
      {"GET /half", "GET", "/half", ""},
      {"GET ", "GET", "", ""},
      {"GE", "GE", "", ""},
      {"", "", "", ""},
      {"\r\n", "", "", ""},
      {" /a", "", "", ""},
      {std::string("\x16\x03\x01\x02\x00\x01\xfc", 7), "", "", ""},
      {"G\xc3\xa9T / HTTP/1.1\r\n", "", "", ""},
      {"GET  / HTTP/1.1\r\n", "GET", "", ""},
      {std::string("GET /\x01\xff HTTP/1.1\r\n"), "GET", "/\x01\xff", "HTTP/1.1"},
  };
  for (const Case& each : cases) {
    const RequestLine read = read_request_line(first_line(each.bytes));
    EXPECT_EQ(read.method, each.method) << each.bytes;
    EXPECT_EQ(read.target, each.target) << each.bytes;
    EXPECT_EQ(read.protocol, each.protocol) << each.bytes;
  }
}

TEST(RequestLineTest, IsBounded) {
  const std::string endless = "GET /" + std::string(100'000, 'x');
  EXPECT_EQ(first_line(endless).size(), kMaxRequestLine);
}

}  // namespace
}  // namespace holdfast::worker
