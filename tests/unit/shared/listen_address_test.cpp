#include "shared/core/listen_address.hpp"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

using namespace std::string_view_literals;

TEST(ListenAddressTest, TcpForms) {
  const std::vector<std::pair<std::string_view, TcpAddress>> cases{
      {"127.0.0.1:8080", {"127.0.0.1", 8080}},
      {"0.0.0.0:0", {"0.0.0.0", 0}},
      {":8080", {"", 8080}},
      {":0", {"", 0}},
      {":65535", {"", 65535}},
      {"[::1]:8080", {"::1", 8080}},
      {"[::]:80", {"::", 80}},
      {"[2001:db8::7]:443", {"2001:db8::7", 443}},
      {"[::ffff:192.0.2.1]:1", {"::ffff:192.0.2.1", 1}},
  };
  for (const auto& [text, address] : cases) {
    const auto parsed = parse_listen_address(text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(*parsed, ListenAddress(address)) << text;
    EXPECT_EQ(to_string(*parsed), text);
  }
}

TEST(ListenAddressTest, UnixForms) {
  const std::string longest = "/" + std::string(106, 'x');
  const std::vector<std::pair<std::string, UnixAddress>> cases{
      {"unix:/run/a.sock", {"/run/a.sock", {}, "", ""}},
      {"unix:@name", {"@name", {}, "", ""}},
      {"unix:/a:b=c", {"/a:b=c", {}, "", ""}},
      {"unix:" + longest, {longest, {}, "", ""}},
      {"unix:/a,mode=0660", {"/a", 0660, "", ""}},
      {"unix:/a,mode=0", {"/a", 0, "", ""}},
      {"unix:/a,mode=777,user=www,group=adm", {"/a", 0777, "www", "adm"}},
      {"unix:/a,group=1000", {"/a", {}, "", "1000"}},
  };
  for (const auto& [text, address] : cases) {
    const auto parsed = parse_listen_address(text);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(*parsed, ListenAddress(address)) << text;
    EXPECT_EQ(to_string(*parsed), "unix:" + address.path);
  }
  EXPECT_TRUE(std::get<UnixAddress>(*parse_listen_address("unix:@a")).abstract());
  EXPECT_FALSE(std::get<UnixAddress>(*parse_listen_address("unix:/@")).abstract());
}

TEST(ListenAddressTest, AnythingElseIsRefused) {
  const std::string too_long = "unix:/" + std::string(107, 'x');
  for (const std::string_view text : {""sv,
                                      ":"sv,
                                      "80"sv,
                                      "localhost:80"sv,
                                      "127.0.0.1"sv,
                                      "127.0.0.1:"sv,
                                      "127.0.0.1:x"sv,
                                      "127.0.0.1:-1"sv,
                                      "127.0.0.1:+1"sv,
                                      "127.0.0.1: 1"sv,
                                      "127.0.0.1:1 "sv,
                                      "127.0.0.1:65536"sv,
                                      "127.0.0.1:99999999999"sv,
                                      "127.0.0.1:0x50"sv,
                                      "127.0.0.1:80:80"sv,
                                      "127.1:80"sv,
                                      "1.2.3.4.5:80"sv,
                                      "256.0.0.1:80"sv,
                                      " 127.0.0.1:80"sv,
                                      "*:80"sv,
                                      "127.0.0.1\0:80"sv,
                                      "127.0.0.1\0x:80"sv,
                                      "[::1\0]:80"sv,
                                      "::1:80"sv,
                                      "[::1]"sv,
                                      "[::1]80"sv,
                                      "[::1:80"sv,
                                      "::1]:80"sv,
                                      "[]:80"sv,
                                      "[:::]:80"sv,
                                      "[127.0.0.1]:80"sv,
                                      "[fe80::1%eth0]:80"sv,
                                      "[[::1]]:80"sv,
                                      "http://127.0.0.1:80"sv,
                                      "unix:"sv,
                                      "unix:a"sv,
                                      "unix:./a"sv,
                                      "unix:@"sv,
                                      "unix:,mode=1"sv,
                                      "unix:/a,"sv,
                                      "unix:/a,mode"sv,
                                      "unix:/a,mode="sv,
                                      "unix:/a,mode=8"sv,
                                      "unix:/a,mode=1000"sv,
                                      "unix:/a,mode=-1"sv,
                                      "unix:/a,mode=0x1"sv,
                                      "unix:/a,user="sv,
                                      "unix:/a,other=1"sv,
                                      "unix:/a,=1"sv,
                                      "unix:/a,,mode=1"sv,
                                      "unix:/a\0b"sv,
                                      "UNIX:/a"sv,
                                      std::string_view(too_long)}) {
    EXPECT_FALSE(parse_listen_address(text)) << text;
  }
}

TEST(ListenAddressTest, AnOptionThatEndsInACommaIsRefused) {
  EXPECT_FALSE(parse_listen_address("unix:/a,mode=0660,"));
}

TEST(ListenAddressTest, OptionsHoldNoNul) {
  EXPECT_FALSE(parse_listen_address("unix:/a,user=root\0x"sv));
  EXPECT_FALSE(parse_listen_address("unix:/a,group=root\0x"sv));
}

TEST(ListenAddressTest, ErrorsSayWhatToWrite) {
  EXPECT_EQ(parse_listen_address("::1:80").error().message,
            "cannot parse address '::1:80': an IPv6 address needs brackets, like [::1]:8080");
}

TEST(ListenerSpecTest, NamesComeBeforeTheFirstEqualsSign) {
  const auto spec = [](std::string_view text) { return parse_listener_spec(text); };
  EXPECT_EQ(spec("127.0.0.1:80")->name, "http");
  EXPECT_EQ(spec("admin=127.0.0.1:80")->name, "admin");
  EXPECT_EQ(spec("a-b_c.9=:80")->name, "a-b_c.9");
  EXPECT_EQ(spec("admin=unix:/a=b,mode=0600")->name, "admin");
  EXPECT_EQ(spec("unix:/a,mode=0600")->name, "http");
  EXPECT_EQ(std::get<UnixAddress>(spec("unix:/a=b")->address).path, "/a=b");
  EXPECT_EQ(spec(std::string(64, 'n') + "=:80")->name, std::string(64, 'n'));
  for (const std::string& text : {std::string("=:80"), std::string("a b=:80"), std::string("a="),
                                  std::string("a=b=:80"), std::string(65, 'n') + "=:80"}) {
    EXPECT_FALSE(spec(text)) << text;
  }
}

}  // namespace
}  // namespace holdfast
