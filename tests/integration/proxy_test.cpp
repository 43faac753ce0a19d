// A worker behind proxies: who the client is, by PROXY headers and by X-Forwarded-For. The proxies
// are haproxy and curl; what they would never send comes from a raw client.
#include <arpa/inet.h>
#include <chrono>
#include <netinet/in.h>
#include <sys/socket.h>

#include <gtest/gtest.h>

#include "tests/integration/tls_fixture.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;
using namespace std::string_literals;

class ProxyTest : public ::testing::Test {
 protected:
  ProxyTest()
      : run({.listen = {"px=127.0.0.1:0", "plain=127.0.0.1:0"},
             .command = {demo_path(), "--proxy-protocol", "px", "--trusted-proxies",
                         "127.0.0.0/8,2001:db8::/32", "--header-timeout", "1s"}}) {
    run.wait_ready();
    px = run.address(0);
    plain = run.address(1);
  }
  // The lines of a type, once the run has ended.
  std::vector<AccessLog::Line> lines(const std::string& type) {
    expect_clean_stop(run);
    const AccessLog log = run.log();
    EXPECT_TRUE(log.bad().empty()) << log.bad()[0];
    std::vector<AccessLog::Line> found;
    for (const auto& line : log.lines()) {
      if (line.value("type", "") == type) found.push_back(line);
    }
    return found;
  }
  SupervisorRun run;
  std::string px;
  std::string plain;
};

const std::string kSignature{"\r\n\r\n\0\r\nQUIT\n", 12};
const std::string kLine = "PROXY TCP4 192.0.2.1 192.0.2.2 4711 443\r\n";
// Version 2: 2001:db9::7, port 4711.
const std::string kBinary = kSignature + "\x21\x21\x00\x24"s + "\x20\x01\x0d\xb9"s +
                            std::string(11, '\0') + "\x07"s + std::string(16, '\x01') +
                            "\x12\x67\x01\xbb"s;

TEST_F(ProxyTest, TheHeaderNamesTheClientAndNothingBehindItIsLost) {
  RawClient text(px);
  // Pipelined requests right behind it, in one packet.
  text.send(kLine + get_request("/whoami") + get_request("/"));
  EXPECT_NE(text.read_response().body.find("\"client\":\"192.0.2.1\""), std::string::npos);
  EXPECT_EQ(text.read_response().body, "Hello, world!");
  RawClient binary(px);
  binary.send(kBinary + get_request("/whoami"));
  EXPECT_NE(binary.read_response().body.find("\"client\":\"2001:db9::7\""), std::string::npos);
  RawClient local(px);
  local.send(kSignature + "\x20\x00\x00\x00"s + get_request("/whoami"));
  EXPECT_NE(local.read_response().body.find("\"client\":\"127.0.0.1\""), std::string::npos);
  const auto log = lines("access");
  ASSERT_EQ(log.size(), 4U);
  EXPECT_EQ(log[0].value("client_ip", ""), "192.0.2.1");
  EXPECT_EQ(log[0].value("remote_ipaddr", ""), "127.0.0.1") << "the peer is who it is";
  EXPECT_EQ(log[1].value("client_ip", ""), "192.0.2.1");
  EXPECT_EQ(log[2].value("client_ip", ""), "2001:db9::7");
  EXPECT_FALSE(log[3].contains("client_ip")) << log[3];
}

TEST_F(ProxyTest, AHeaderMayTrickle) {
  for (const std::string& header : {kLine, kBinary}) {
    RawClient client(px);
    for (const char c : header + "GET / HTTP/1.1\r\nHost: a\r\n")
      client.send(std::string_view(&c, 1));
    EXPECT_EQ(client.wait_end(1ms), End::StillOpen);
    client.send("\r\n");
    EXPECT_EQ(client.read_response().body, "Hello, world!");
  }
}

TEST_F(ProxyTest, WithoutAValidHeaderNoRequestIsServed) {
  const std::vector<std::string> bad{get_request("/"), "PROXY TCP4 a b c d\r\n" + get_request("/"),
                                     "PROXY UNKNOWN " + std::string(200, 'x'),
                                     kSignature + "\x21\x11\xff\xff"s,
                                     "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"s};
  for (const std::string& bytes : bad) {
    RawClient client(px);
    client.send(bytes);
    const End end = client.wait_end();
    EXPECT_TRUE(end == End::Closed || end == End::Reset) << end;
  }
  { RawClient(px).send("PROXY TCP4 1"); }  // leaves within its header
  { const RawClient says_nothing(px); }    // is no failure
  EXPECT_EQ(RawClient(px).send(kLine + get_request("/")).read_response().status, 200);
  expect_clean_stop(run);
  const AccessLog log = run.log();
  EXPECT_EQ(log.count("type", "access"), 1U);
  ASSERT_EQ(log.count("type", "proxy_header"), bad.size() + 1);
  for (const auto& line : log.lines()) {
    if (line["type"] == "access") continue;
    EXPECT_EQ(line.value("severity", ""), "warning");
    EXPECT_EQ(line.value("listener", ""), "px");
    EXPECT_NE(line.value("error", ""), "");
    EXPECT_NE(line.value("conn_id", ""), "");
  }
}

TEST_F(ProxyTest, AHeaderThatDoesNotComeEndsWithTheHeaderTimeout) {
  RawClient silent(px);
  RawClient half(px);
  half.send("PROXY TCP4 192.0.2.1");
  EXPECT_EQ(silent.wait_end(), End::Closed);
  EXPECT_EQ(half.wait_end(), End::Closed);
  const auto failures = lines("proxy_header");
  ASSERT_EQ(failures.size(), 1U);
  EXPECT_EQ(failures[0].value("error", ""), "the header did not come in time");
}

TEST_F(ProxyTest, TheHeaderIsARequestLikeAnyOtherWhereItIsNotExpected) {
  RawClient client(plain);
  client.send(kLine + get_request("/"));
  EXPECT_EQ(client.read_response().status, 400);
}

TEST_F(ProxyTest, ForwardedForIsBelievedOfTrustedPeersOnly) {
  const auto client_of = [](RawClient&& client, const std::string& before,
                            const std::string& fields) {
    client.send(before + get_request("/whoami", fields));
    return nlohmann::json::parse(client.read_response().body).value("client", "");
  };
  const std::string field = "X-Forwarded-For: 10.6.6.6, 192.0.2.9\r\n";
  EXPECT_EQ(client_of(RawClient(plain), "", field), "192.0.2.9");
  EXPECT_EQ(client_of(RawClient(plain), "",
                      "X-Forwarded-For: 192.0.2.9\r\nx-forwarded-for: [2001:db8::1]:80\r\n"),
            "192.0.2.9");
  EXPECT_EQ(client_of(RawClient(plain), "", "X-Forwarded-For: nonsense\r\n"), "127.0.0.1");
  EXPECT_EQ(client_of(RawClient(plain), "", ""), "127.0.0.1");
  // Who the PROXY header names is not trusted, although the peer is.
  EXPECT_EQ(client_of(RawClient(px), kLine, field), "192.0.2.1");
  EXPECT_EQ(client_of(RawClient(px), "PROXY TCP4 127.0.0.9 127.0.0.1 1 2\r\n", field), "192.0.2.9");
}

TEST_F(ProxyTest, CurlSpeaksIt) {
  const auto result = run_command({"curl", "-sS", "--max-time", "25", "--haproxy-protocol",
                                   "--interface", "127.0.0.9", "http://" + px + "/whoami"});
  EXPECT_EQ(result.status, exited(0)) << result.err;
  EXPECT_NE(result.out.find("\"client\":\"127.0.0.9\""), std::string::npos) << result.out;
}

// A listening socket on a free port, for a program that inherits it.
UniqueFd listen_anywhere(std::string& address) {
  UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in any{};
  any.sin_family = AF_INET;
  any.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof any;
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), size), 0);
  EXPECT_EQ(::listen(fd.get(), 64), 0);
  EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&any), &size), 0);
  address = "127.0.0.1:" + std::to_string(ntohs(any.sin_port));
  return fd;
}

TEST_F(ProxyTest, HaproxyInFrontTellsWhoTheClientIs) {
  struct Case {
    std::string frontend;
    std::string server;
  };
  for (const Case& c : {Case{"", px + " send-proxy"}, Case{"", px + " send-proxy-v2"},
                        Case{"", px + " send-proxy-v2 proxy-v2-options crc32c,unique-id"},
                        Case{"option forwardfor", plain}}) {
    std::string address;
    const UniqueFd listener = listen_anywhere(address);
    const std::string config = run.files().write(
        "haproxy.cfg",
        "defaults\n  mode http\n  timeout connect 10s\n  timeout client 20s\n  timeout server 20s\n"
        "frontend f\n  unique-id-format %rt\n  bind fd@" +
            std::to_string(listener.get()) + "\n  " + c.frontend +
            "\n  default_backend b\nbackend b\n  server s " + c.server + "\n");
    ChildProcess haproxy(
        {.argv = {"haproxy", "-db", "-q", "-f", config}, .pass = {listener.get()}});
    for (int i = 0; i < 2; ++i) {  // the second request may go over a connection that is kept
      const auto result = run_command({"curl", "-sS", "--max-time", "25", "--interface",
                                       "127.0.0.9", "http://" + address + "/whoami"});
      EXPECT_EQ(result.status, exited(0)) << result.err;
      EXPECT_NE(result.out.find("\"client\":\"127.0.0.9\""), std::string::npos)
          << c.server << ": " << result.out;
    }
  }
  const auto log = lines("access");
  ASSERT_EQ(log.size(), 8U);
  for (const auto& line : log) EXPECT_EQ(line.value("client_ip", ""), "127.0.0.9");
  EXPECT_EQ(run.log().count("type", "proxy_header"), 0U);
}

// The header comes before the handshake, and not a byte of that is taken with it.
TEST(ProxyBeforeTls, TheHeaderComesFirst) {
  const TempDir files;
  const Certificate certificate(files, "server");
  SupervisorRun run({.listen = {"px=127.0.0.1:0"},
                     .command = demo_with(certificate, {"--proxy-protocol", "px"})});
  const std::string px = run.wait_ready().address();
  const auto curl = curl_https(px, certificate.certificate,
                               {"--haproxy-protocol", "--interface", "127.0.0.9"}, "/whoami");
  EXPECT_EQ(curl.status, exited(0)) << curl.err;
  EXPECT_NE(curl.out.find("\"client\":\"127.0.0.9\""), std::string::npos) << curl.out;
  for (const char* version : {"send-proxy", "send-proxy-v2"}) {
    std::string address;
    const UniqueFd listener = listen_anywhere(address);
    const std::string config = files.write(
        "haproxy.cfg",
        "defaults\n  mode tcp\n  timeout connect 10s\n  timeout client 20s\n  timeout server 20s\n"
        "listen l\n  bind fd@" +
            std::to_string(listener.get()) + "\n  server s " + px + " " + version + "\n");
    ChildProcess haproxy(
        {.argv = {"haproxy", "-db", "-q", "-f", config}, .pass = {listener.get()}});
    const auto result =
        curl_https(address, certificate.certificate, {"--interface", "127.0.0.9"}, "/whoami");
    EXPECT_EQ(result.status, exited(0)) << result.err;
    EXPECT_NE(result.out.find("\"client\":\"127.0.0.9\""), std::string::npos) << result.out;
  }
  RawClient half(px);  // the header alone, and then plain HTTP where a handshake is due
  half.send(kLine + get_request("/"));
  const End end = half.wait_end();
  EXPECT_TRUE(end == End::Closed || end == End::Bytes || end == End::Reset) << end;
  expect_clean_stop(run);
  const AccessLog log = run.log();
  EXPECT_EQ(log.count("type", "access"), 3U);
  EXPECT_EQ(log.count("client_ip", "127.0.0.9"), 3U);
  EXPECT_EQ(log.only("type", "tls_handshake").value("client_ip", ""), "192.0.2.1");
}

TEST(ProxyOptions, WhatCannotHoldEndsTheWorkerAtItsStart) {
  for (const auto& [flag, value, message] :
       {std::tuple{"--proxy-protocol", "nosuch",
                   "holdfast: cannot demand PROXY headers on nosuch: there is no such listener\n"},
        std::tuple{"--trusted-proxies", "10.0.0.0/33",
                   "holdfast: cannot use the network 10.0.0.0/33: the prefix is not 0 to 32\n"}}) {
    const auto result = run_command({demo_path(), "--listen", "127.0.0.1:0", flag, value});
    EXPECT_EQ(result.status, exited(1));
    EXPECT_EQ(result.err, message);
  }
}

}  // namespace
}  // namespace holdfast::testing
