#include "worker/core/forwarded.hpp"

#include <gtest/gtest.h>

namespace holdfast::worker {
namespace {

TrustedProxies trusted(const std::vector<std::string>& networks) {
  return TrustedProxies::parse(networks).value();
}

const std::vector<std::string> kInside{"10.0.0.0/8", "2001:db8::/32"};

// The client, as its address parsed from `want`; "" for nothing.
testing::AssertionResult client_is(std::string_view want, std::string_view peer,
                                   std::vector<std::string_view> fields,
                                   const std::vector<std::string>& networks = kInside) {
  const TrustedProxies proxies = trusted(networks);
  ForwardedWalk walk(proxies, peer == "unix:" ? std::nullopt : IpAddress::parse(peer));
  for (auto field = fields.rbegin(); field != fields.rend(); ++field) walk.field(*field);
  if (walk.client() == (want.empty() ? std::nullopt : IpAddress::parse(want)))
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << "not " << want;
}

TEST(Forwarded, TheClientIsTheRightmostAddressThatIsNotTrusted) {
  EXPECT_TRUE(client_is("192.0.2.1", "10.0.0.1", {"192.0.2.1"}));
  EXPECT_TRUE(client_is("192.0.2.1", "10.0.0.1", {"192.0.2.1, 10.2.3.4,10.0.0.9"}));
  EXPECT_TRUE(client_is("192.0.2.1", "2001:db8::1", {"192.0.2.1", "10.2.3.4", "2001:db8::2"}));
  EXPECT_TRUE(client_is("2001:db9::1", "10.0.0.1", {"2001:db9::1"}));
}

TEST(Forwarded, WhatTheClientWroteItselfIsNeverReached) {
  EXPECT_TRUE(client_is("192.0.2.1", "10.0.0.1", {"10.9.9.9, 192.0.2.1"}));
  EXPECT_TRUE(client_is("192.0.2.1", "10.0.0.1", {"10.9.9.9", "192.0.2.1"}));
  EXPECT_TRUE(client_is("192.0.2.1", "10.0.0.1", {"1.1.1.1, 192.0.2.1, 10.0.0.2"}));
  // A hop that could not be read vouches for nobody.
  EXPECT_TRUE(client_is("10.0.0.2", "10.0.0.1", {"1.1.1.1, unknown, 10.0.0.2"}));
  EXPECT_TRUE(client_is("", "10.0.0.1", {"1.1.1.1, nonsense"}));
}

TEST(Forwarded, NobodyIsBelievedWhoIsNotTrusted) {
  EXPECT_TRUE(client_is("", "192.0.2.7", {"1.1.1.1"}));
  EXPECT_TRUE(client_is("", "10.0.0.1", {"1.1.1.1"}, {}));
  EXPECT_TRUE(client_is("", "unix:", {"1.1.1.1"}));
  EXPECT_TRUE(client_is("1.1.1.1", "unix:", {"1.1.1.1"}, {"unix:"}));
  EXPECT_TRUE(client_is("", "10.0.0.1", {"1.1.1.1"}, {"unix:"}));
}

TEST(Forwarded, WhereAllAreTrustedTheFarthestIsTheClient) {
  EXPECT_TRUE(client_is("10.0.0.3", "10.0.0.1", {"10.0.0.3, 10.0.0.2"}));
  EXPECT_TRUE(client_is("", "10.0.0.1", {}));
  EXPECT_TRUE(client_is("", "10.0.0.1", {"", " , "}));
}

TEST(Forwarded, ElementsMayHavePortsAndBrackets) {
  const auto is = [](std::string_view element, std::string_view address) {
    return parse_forwarded(element) == IpAddress::parse(address);
  };
  EXPECT_TRUE(is("192.0.2.1:4711", "192.0.2.1"));
  EXPECT_TRUE(is("[2001:db8::1]", "2001:db8::1"));
  EXPECT_TRUE(is("[2001:db8::1]:4711", "2001:db8::1"));
  EXPECT_TRUE(is("2001:db8::1", "2001:db8::1"));
  EXPECT_TRUE(is("::ffff:192.0.2.1", "192.0.2.1"));
  for (const char* bad :
       {"", "unknown", "_hidden", "192.0.2", "192.0.2.256", "192.0.2.01",
        "192.0.2.1:", "192.0.2.1:x", "192.0.2.1:123456", "[192.0.2.1]", "[2001:db8::1",
        "[2001:db8::1]x", "[2001:db8::1]:", "[]", "fe80::1%eth0", "192.0.2.1 ", "\"192.0.2.1\"",
        "1::2::3", "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa"}) {
    EXPECT_EQ(parse_forwarded(bad), std::nullopt) << bad;
  }
  EXPECT_EQ(parse_forwarded(std::string_view("192.0.2.1\0", 10)), std::nullopt);
}

TEST(IpNetwork, ContainsWhatItsPrefixSays) {
  const auto contains = [](const char* network, const char* address) {
    return IpNetwork::parse(network).value().contains(IpAddress::parse(address).value());
  };
  EXPECT_TRUE(contains("10.0.0.0/8", "10.255.0.1"));
  EXPECT_FALSE(contains("10.0.0.0/8", "11.0.0.1"));
  EXPECT_TRUE(contains("192.0.2.128/25", "192.0.2.200"));
  EXPECT_FALSE(contains("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(contains("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(contains("192.0.2.1", "192.0.2.2"));
  EXPECT_TRUE(contains("0.0.0.0/0", "8.8.8.8"));
  EXPECT_FALSE(contains("0.0.0.0/0", "::1"));
  EXPECT_TRUE(contains("::/0", "::1"));
  EXPECT_TRUE(contains("10.0.0.0/8", "::ffff:10.1.1.1"));
}

TEST(IpNetwork, RefusesWhatIsNoNetwork) {
  for (const char* bad :
       {"", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.1/8",
        "2001:db8::/129", "2001:db8::1/64", "host/8", "10.0.0.0/8/8"}) {
    EXPECT_FALSE(IpNetwork::parse(bad)) << bad;
  }
  EXPECT_EQ(IpNetwork::parse("10.0.0.1/8").error().message,
            "cannot use the network 10.0.0.1/8: the address has bits behind the prefix");
}

}  // namespace
}  // namespace holdfast::worker
