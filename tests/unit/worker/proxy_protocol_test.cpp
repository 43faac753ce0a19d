// The examples are those of HAProxy's doc/proxy-protocol.txt.
#include "worker/core/proxy_protocol.hpp"

#include <string>

#include <gtest/gtest.h>

namespace holdfast::worker {
namespace {

using namespace std::string_literals;

const std::string kSignature{"\r\n\r\n\0\r\nQUIT\n", 12};
const std::string kHttp = "GET / HTTP/1.1\r\n\r\n";

std::string v2(char command, char family, const std::string& rest) {
  return kSignature + command + family + static_cast<char>(rest.size() >> 8) +
         static_cast<char>(rest.size() & 0xff) + rest;
}

const std::string kTcp4 = "\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x67\x01\xbb"s;

// What became of `bytes` with an HTTP request behind them, in steps of `step`: "192.0.2.1:4711",
// "local", or the fault. Exactly the header is taken.
std::string read(const std::string& header, std::size_t step) {
  ProxyHeaderReader reader;
  const std::string bytes = header + kHttp;
  std::size_t taken = 0;
  for (std::size_t begin = 0, end = 0; end < bytes.size() && !reader.complete();) {
    end = std::min(bytes.size(), end + step);
    const std::size_t fed = reader.feed(std::string_view(bytes).substr(begin, end - begin));
    if (reader.fault() != nullptr) return reader.fault();
    taken += fed;
    begin += fed;
    EXPECT_TRUE(reader.complete() || begin == end) << "bytes of the header were left";
  }
  if (!reader.complete()) return "unfinished";
  EXPECT_EQ(taken, header.size());
  EXPECT_EQ(reader.feed(kHttp), 0U);
  if (!reader.source()) return "local";
  const auto& from = *reader.source();
  const auto& b = from.address.bytes;
  if (from.address.v6)
    return "v6:" + std::to_string(b[0] * 256 + b[1]) + ":" + std::to_string(b[15]) + ":" +
           std::to_string(from.port);
  return std::to_string(b[0]) + "." + std::to_string(b[1]) + "." + std::to_string(b[2]) + "." +
         std::to_string(b[3]) + ":" + std::to_string(from.port);
}

std::string read(const std::string& header) {
  const std::string whole = read(header, SIZE_MAX / 2);
  for (const std::size_t step : {1UL, 2UL, 7UL, 13UL, 100UL}) EXPECT_EQ(read(header, step), whole);
  return whole;
}

TEST(ProxyProtocol, TextHeadersNameTheClient) {
  EXPECT_EQ(read("PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n"), "192.0.2.1:4711");
  EXPECT_EQ(read("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"),
            "255.255.255.255:65535");
  EXPECT_EQ(read("PROXY TCP6 2001:db8::1 2001:db8::2 4711 443\r\n"), "v6:8193:1:4711");
  EXPECT_EQ(read("PROXY TCP6 ::ffff:192.0.2.1 ::1 4711 443\r\n"), "192.0.2.1:4711");
  EXPECT_EQ(read("PROXY UNKNOWN\r\n"), "local");
  // The longest line of the specification.
  EXPECT_EQ(read("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), "local");
  EXPECT_EQ(read("PROXY UNKNOWN " + std::string(kMaxProxyLine - 16, 'x') + "\r\n"), "local");
}

TEST(ProxyProtocol, TextHeadersThatAreMalformedAreRefused) {
  for (const std::string header : {"PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\n",
                                   "PROXY TCP4 192.0.2.1 192.0.2.2 4711\r\n",
                                   "PROXY TCP4 192.0.2.1 192.0.2.2 4711 443 \r\n",
                                   "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
                                   "PROXY TCP4 192.0.2.1 192.0.2.2 4711 443 9\r\n",
                                   "PROXY TCP4 192.0.2.1 192.0.2.2 0471 1\r\n",
                                   "PROXY TCP4 192.0.2.1 192.0.2.2 65536 1\r\n",
                                   "PROXY TCP4 192.0.2.1 192.0.2.2 -1 1\r\n",
                                   "PROXY TCP4 192.0.2.01 192.0.2.2 1 1\r\n",
                                   "PROXY TCP4 2001:db8::1 2001:db8::2 1 1\r\n",
                                   "PROXY TCP6 192.0.2.1 192.0.2.2 1 1\r\n",
                                   "PROXY TCP4 a b 1 1\r\n",
                                   "PROXY UDP4 1.1.1.1 1.1.1.1 1 1\r\n",
                                   "PROXY \r\n",
                                   "proxy TCP4 192.0.2.1 192.0.2.2 1 1\r\n",
                                   "PROXYTCP4\r\n",
                                   "PUT / HTTP/1.1\r\n",
                                   "GET / HTTP/1.1\r\n",
                                   "\x16\x03\x01",
                                   " PROXY UNKNOWN\r\n"}) {
    const std::string fault = read(header);
    EXPECT_TRUE(fault.find(':') == std::string::npos && fault != "local" && fault != "unfinished")
        << header << fault;
  }
  EXPECT_EQ(read("PROXY UNKNOWN " + std::string(kMaxProxyLine - 15, 'x') + "\r\n"),
            "the line is too long");
}

TEST(ProxyProtocol, ALineThatNeverEndsIsRefusedAndNotKept) {
  ProxyHeaderReader reader;
  EXPECT_LE(reader.feed("PROXY UNKNOWN " + std::string(100'000, 'x')), kMaxProxyLine + 1);
  EXPECT_STREQ(reader.fault(), "the line is too long");
}

TEST(ProxyProtocol, BinaryHeadersNameTheClient) {
  EXPECT_EQ(read(v2('\x21', '\x11', kTcp4)), "192.0.2.1:4711");
  std::string v6 = "\x20\x01"s + std::string(13, '\0') + "\x07"s + std::string(16, '\x01');
  v6 += "\x12\x67\x01\xbb"s;
  EXPECT_EQ(read(v2('\x21', '\x21', v6)), "v6:8193:7:4711");
  EXPECT_EQ(read(v2('\x21', '\x11', kTcp4 + "\x04\x00\x03xyz"s)), "192.0.2.1:4711") << "a NOOP";
  EXPECT_EQ(read(v2('\x21', '\x11', kTcp4 + "\xe0\x00\x00"s)), "192.0.2.1:4711") << "an empty TLV";
}

TEST(ProxyProtocol, ABinaryHeaderMayNameNobody) {
  EXPECT_EQ(read(v2('\x20', '\x00', "")), "local");
  EXPECT_EQ(read(v2('\x20', '\x11', kTcp4)), "local") << "a health check of the proxy's own";
  EXPECT_EQ(read(v2('\x20', '\x11', "whatever")), "local");
  EXPECT_EQ(read(v2('\x21', '\x00', "whatever")), "local") << "UNSPEC";
  EXPECT_EQ(read(v2('\x21', '\x12', kTcp4)), "local") << "a datagram's";
  EXPECT_EQ(read(v2('\x21', '\x31', std::string(216, 'p'))), "local") << "a Unix socket's";
}

TEST(ProxyProtocol, BinaryHeadersThatAreMalformedAreRefused) {
  EXPECT_EQ(read(v2('\x11', '\x11', kTcp4)), "the version is not known");
  EXPECT_EQ(read(v2('\x22', '\x11', kTcp4)), "the command is not known");
  EXPECT_EQ(read(v2('\x21', '\x41', kTcp4)), "the family is not known");
  EXPECT_EQ(read(v2('\x21', '\x13', kTcp4)), "the family is not known");
  EXPECT_EQ(read(v2('\x21', '\x11', kTcp4.substr(1))), "the addresses are cut short");
  EXPECT_EQ(read(v2('\x21', '\x21', kTcp4)), "the addresses are cut short");
  EXPECT_EQ(read(v2('\x21', '\x11', kTcp4 + "\x04\x00"s)), "a TLV is cut short");
  EXPECT_EQ(read(v2('\x21', '\x11', kTcp4 + "\x04\x00\x04xyz"s)), "a TLV is cut short");
  EXPECT_EQ(read("\r\n\r\n\0\r\nQUIX\n"s + "\x21\x11\0\0"s), "not a PROXY header");
  EXPECT_EQ(read(v2('\x21', '\x11', kTcp4 + std::string(4096, '\0'))), "the header is too long");
  ProxyHeaderReader reader;
  EXPECT_LE(reader.feed(kSignature + "\x21\x11\xff\xff" + std::string(70'000, 'x')), 16U)
      << "the length is judged before anything is kept";
  EXPECT_STREQ(reader.fault(), "the header is too long");
}

TEST(ProxyProtocol, AChecksumIsVerifiedWhereThereIsOne) {
  // Of the 35 bytes with the value zero, by a table-driven implementation that gives E3069283 for
  // "123456789" (RFC 3720, B.4's check value).
  const std::string good = kTcp4 + "\x03\x00\x04"s + "\xe8\x8b\x19\xbc"s;
  EXPECT_EQ(read(v2('\x21', '\x11', good)), "192.0.2.1:4711");
  std::string bad = good;
  bad.back() ^= 1;
  EXPECT_EQ(read(v2('\x21', '\x11', bad)), "the checksum is wrong");
  std::string other_bytes = good;
  other_bytes[3] ^= 1;
  EXPECT_EQ(read(v2('\x21', '\x11', other_bytes)), "the checksum is wrong");
  EXPECT_EQ(read(v2('\x21', '\x11', kTcp4 + "\x03\x00\x02xx"s)), "the checksum is wrong");
}

}  // namespace
}  // namespace holdfast::worker
