// HTTPS as other people's clients see it: what is spoken, what is refused, how it ends, what is
// logged of it. Reloads are in tls_reload_test.cpp.
#include <chrono>
#include <memory>

#include <gtest/gtest.h>

#include "tests/integration/tls_fixture.hpp"
#include "tests/support/process_facts.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

// A plain listener and one with TLS.
class TlsTest : public ::testing::Test {
 protected:
  explicit TlsTest(std::vector<std::string> demo = {}, std::vector<std::string> flags = {})
      : more(std::move(demo)), flags_(std::move(flags)) {}

  CommandResult curl(std::vector<std::string> arguments, const std::string& path = "/",
                     std::string_view input = {}) {
    return curl_https(address, certificate.certificate, std::move(arguments), path, input);
  }
  // Of type tls_handshake; all others are lines of requests.
  std::vector<AccessLog::Line> failures() {
    expect_clean_stop(run);
    const AccessLog log = run.log();
    EXPECT_TRUE(log.bad().empty()) << log.bad()[0];
    std::vector<AccessLog::Line> found;
    for (const auto& line : log.lines()) {
      if (line.at("type") == "tls_handshake") found.push_back(line);
    }
    return found;
  }
  // The test's one handshake failure.
  AccessLog::Line failure() {
    const auto found = failures();
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? AccessLog::Line::object() : found[0];
  }
  void expect_serving() {
    EXPECT_EQ(curl({}).out, "Hello, world!");
    EXPECT_EQ(run.count("worker_exited"), 0u) << "the worker died of it";
  }

  TempDir files;
  Certificate certificate{files, "server"};
  std::vector<std::string> more;
  std::vector<std::string> flags_;
  std::vector<std::string> command() const {
    std::vector<std::string> whole = demo_with(certificate, {"--tls-listener", "https"});
    whole.insert(whole.end(), more.begin(), more.end());
    return whole;
  }
  SupervisorRun run{
      {.listen = {"http=127.0.0.1:0", "https=127.0.0.1:0"}, .flags = flags_, .command = command()}};
  std::string plain = run.wait_ready().address(0);
  std::string address = run.address(1);
};

TEST_F(TlsTest, OneWorkerServesHttpAndHttps) {
  EXPECT_EQ(curl({}).out, "Hello, world!");
  EXPECT_EQ(RawClient(plain).get("/").body, "Hello, world!");
  expect_clean_stop(run);
  const AccessLog log = run.log();
  EXPECT_FALSE(log.only("listener", "http").contains("tls"));
  const auto tls = log.only("listener", "https").at("tls");
  EXPECT_EQ(tls.at("version"), "TLSv1.3");
  EXPECT_TRUE(tls.at("cipher").get<std::string>().starts_with("TLS_")) << tls;
  EXPECT_EQ(tls.at("server_name"), "localhost");
  EXPECT_EQ(tls.at("alpn"), "http/1.1");
  EXPECT_EQ(tls.at("resumed"), false);
}

TEST_F(TlsTest, Http11And10AndHead) {
  for (const char* version : {"--http1.1", "--http1.0"}) {
    const auto result = curl({version, "-w", " %{http_code} %{http_version}"});
    EXPECT_EQ(result.status, exited(0)) << result.err;
    EXPECT_TRUE(result.out.starts_with("Hello, world! 200 1.")) << result.out;
  }
  const auto head = curl({"-I"});
  EXPECT_EQ(head.status, exited(0)) << head.err;
  EXPECT_TRUE(head.out.starts_with("HTTP/1.1 200 ")) << head.out;
}

TEST_F(TlsTest, KeepAliveReusesTheConnection) {
  const std::string url = "https://localhost:" + port_of(address) + "/";
  const auto result = curl({"-w", " %{num_connects}\n", url, url});
  EXPECT_EQ(result.out, "Hello, world! 1\nHello, world! 0\nHello, world! 0\n") << result.err;
}

TEST_F(TlsTest, PipelinedRequestsAreAnsweredInOrder) {
  const auto result = s_client(
      address, {},
      get_request("/whoami") + get_request("/nothing") + get_request("/", "Connection: close\r\n"));
  const std::size_t first = result.out.find("\"generation\":1");
  const std::size_t second = result.out.find("HTTP/1.1 404");
  const std::size_t third = result.out.find("Hello, world!");
  EXPECT_LT(first, second) << result.out;
  EXPECT_LT(second, third) << result.out;
  EXPECT_NE(third, std::string::npos) << result.out;
}

TEST_F(TlsTest, ALargeUploadAndALargeDownloadArriveWhole) {
  std::string body(900'000, 'b');
  for (std::size_t i = 0; i < body.size(); i += 7) body[i] = static_cast<char>('a' + i % 26);
  const auto echoed = curl({"--data-binary", "@-"}, "/echo", body);
  EXPECT_EQ(echoed.status, exited(0)) << echoed.err;
  EXPECT_TRUE(echoed.out == body) << echoed.out.size() << " bytes came back";

  const std::string large(20'000'000, 'l');
  const auto uploaded = curl({"-X", "POST", "-T", "-"}, "/upload", large);
  EXPECT_EQ(uploaded.out, "{\"bytes\":20000000}\n") << uploaded.err;

  // Slower than the server: its writes block in the middle of records.
  const auto streamed = curl({"--limit-rate", "2M"}, "/stream?chunks=300000");
  EXPECT_EQ(streamed.status, exited(0)) << streamed.err;
  EXPECT_TRUE(streamed.out.ends_with("\nchunk 299999\n"));
  expect_clean_stop(run);
  EXPECT_EQ(run.log().only("url", "/stream?chunks=300000").at("response_size"),
            streamed.out.size());
}

TEST_F(TlsTest, AnErrorArrivesEvenThoughTheBodyIsStillComing) {
  const std::string body(8'000'000, 'b');
  const auto result =
      curl({"-H", "Expect:", "--data-binary", "@-", "-w", "%{http_code}", "-o", "/dev/null"},
           "/echo", body);
  EXPECT_EQ(result.out, "413") << result.err;
}

TEST_F(TlsTest, Tls12And13AreSpokenAnd11IsNot) {
  for (const char* version : {"-tls1_2", "-tls1_3"}) {
    const auto result = s_client(address, {version});
    EXPECT_TRUE(says(result, "Hello, world!")) << version << result.err;
  }
  const auto old = s_client(address, {"-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0"});
  EXPECT_TRUE(says(old, "alert protocol version")) << old.err;
  const auto line = failure();
  EXPECT_EQ(line.at("error"), "unsupported protocol");
  EXPECT_EQ(line.at("severity"), "warning");
  EXPECT_EQ(line.at("listener"), "https");
  EXPECT_EQ(line.at("remote_ipaddr"), "127.0.0.1");
}

TEST_F(TlsTest, OnlyForwardSecretCiphersAreSpoken) {
  const auto result =
      s_client(address, {"-tls1_2", "-cipher", "AES128-SHA:ECDHE-ECDSA-AES128-SHA"});
  EXPECT_TRUE(says(result, "handshake failure")) << result.err;
  EXPECT_EQ(failure().at("error"), "no shared cipher");
}

TEST_F(TlsTest, RenegotiationIsRefused) {
  // Its command "R" asks for it; -ign_eof would make it text.
  const auto result = run_command({"openssl", "s_client", "-connect", address, "-tls1_2"}, "R\n");
  EXPECT_TRUE(says(result, "RENEGOTIATING")) << result.out << result.err;
  EXPECT_TRUE(says(result, "no renegotiation")) << result.out << result.err;
  expect_serving();
}

TEST_F(TlsTest, WhoOffersOnlyProtocolsThatWeDoNotSpeakIsRefused) {
  EXPECT_TRUE(says(s_client(address, {}), "No ALPN negotiated"));
  EXPECT_TRUE(says(s_client(address, {"-alpn", "h2,http/1.1"}), "ALPN protocol: http/1.1"));
  EXPECT_TRUE(says(s_client(address, {"-alpn", "h2"}), "alert no application protocol"));
  EXPECT_EQ(failure().at("error"), "no application protocol");
}

TEST_F(TlsTest, TheServerNameIsLoggedWhateverItsBytes) {
  const std::string hostile = "a\"},\"x\n\x01\xff.test";
  EXPECT_TRUE(says(s_client(address, {"-servername", "other.test"}), "Hello, world!"));
  EXPECT_TRUE(says(s_client(address, {"-servername", hostile}), "Hello, world!"));
  EXPECT_TRUE(says(s_client(address, {"-noservername"}), "Hello, world!"));
  expect_clean_stop(run);
  const AccessLog log = run.log();
  ASSERT_TRUE(log.bad().empty()) << log.bad()[0];
  ASSERT_EQ(log.size(), 3u);
  EXPECT_EQ(log.lines()[0].at("tls").at("server_name"), "other.test");
  EXPECT_EQ(log.lines()[1].at("tls").at("server_name"), "a\"},\"x\n\x01\xEF\xBF\xBD.test");
  EXPECT_FALSE(log.lines()[2].at("tls").contains("server_name"));
}

TEST_F(TlsTest, PlainHttpIsToldThatThisIsHttps) {
  RawClient client(address);
  client.send(get_request("/"));
  const Response response = client.read_response();
  EXPECT_EQ(response.status, 400);
  EXPECT_TRUE(response.says_close());
  EXPECT_NE(response.body.find("HTTPS"), std::string::npos) << response.body;
  EXPECT_EQ(client.wait_end(), End::Closed);
  expect_serving();
  EXPECT_EQ(failure().at("error"), "http request");
}

TEST_F(TlsTest, GarbageIsRefusedAndLogged) {
  RawClient client(address);
  client.send("\x16\x03\x01 this is no ClientHello at all, only some bytes\r\n\r\n");
  client.half_close();
  EXPECT_NE(client.wait_end(), End::StillOpen);
  expect_serving();
  EXPECT_NE(failure().at("error"), "");
}

TEST_F(TlsTest, AHandshakeThatIsCutOffIsLoggedAndOneThatNeverBeganIsNot) {
  { RawClient silent(address); }
  {
    RawClient client(address);
    client.send(std::string_view("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11));
    client.half_close();
    EXPECT_EQ(client.wait_end(), End::Closed);
  }
  expect_serving();
  EXPECT_EQ(failure().at("error"), "the client left");
}

class TlsTimeoutTest : public TlsTest {
 protected:
  TlsTimeoutTest()
      : TlsTest({"--handshake-timeout", "300ms", "--header-timeout", "500ms",
                 "--keep-alive-timeout", "300ms"},
                {"--stop-timeout", "500ms"}) {}
};

TEST_F(TlsTimeoutTest, AHandshakeThatTakesTooLongIsEndedAndLogged) {
  RawClient silent(address);
  RawClient slow(address);
  slow.send(std::string_view("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11));
  EXPECT_EQ(slow.wait_end(), End::Closed);
  EXPECT_EQ(silent.wait_end(), End::Closed);
  EXPECT_EQ(failure().at("error"), "the handshake took too long");
}

TEST_F(TlsTimeoutTest, AnIdleConnectionEndsWithCloseNotify) {
  OwnClient client(address);
  ASSERT_EQ(client.shake(), TlsClient::Step::Complete);
  const std::string request = get_request("/");
  ASSERT_EQ(client.tls->send(request.data(), request.size()), static_cast<ssize_t>(request.size()));
  EXPECT_TRUE(client.read_until("Hello, world!").ends_with("Hello, world!"));
  EXPECT_EQ(client.wait_end(), Idle::Closed);
}

TEST_F(TlsTimeoutTest, AConnectionWithoutARequestEndsWithCloseNotify) {
  OwnClient client(address);
  ASSERT_EQ(client.shake(), TlsClient::Step::Complete);
  EXPECT_EQ(client.wait_end(), Idle::Closed);
}

// HTTP/1.0 and no length: only the end of the connection says that the response is whole.
TEST_F(TlsTimeoutTest, AResponseThatIsCutDoesNotLookWhole) {
  const auto start = [&](const std::string& origin, const std::string& out) {
    return std::make_unique<ChildProcess>(
        ChildOptions{.argv = {"curl", "-sS", "-N", "--http1.0", "--cacert", certificate.certificate,
                              "-o", files.file(out), origin + "/stream?chunks=10000&interval=10ms"},
                     .environment = {}});
  };
  const auto over_tls = start("https://localhost:" + port_of(address), "tls");
  const auto over_tcp = start("http://" + plain, "tcp");
  ASSERT_TRUE(eventually([&] {
    return !read_text(files.file("tls")).empty() && !read_text(files.file("tcp")).empty();
  }));
  run.stop();
  for (const auto& client : {over_tls.get(), over_tcp.get()}) {
    const auto status = client->wait_exit();
    ASSERT_TRUE(status);
    EXPECT_NE(*status, exited(0)) << "curl took a part for the whole";
  }
}

TEST(TlsMemoryTest, AnIdleConnectionKeepsNoBuffers) {
  const TempDir files;
  const Certificate certificate(files, "server");
  SupervisorRun run({.command = demo_with(certificate)});
  run.wait_ready();
  std::vector<std::unique_ptr<OwnClient>> clients;
  const std::string request = post_request("/upload", std::string(40'000, 'b'));
  const auto open_some = [&](std::size_t count) {
    for (; count > 0; --count) {
      clients.push_back(std::make_unique<OwnClient>(run.address()));
      ASSERT_EQ(clients.back()->shake(), TlsClient::Step::Complete);
      clients.back()->send(request);
      ASSERT_TRUE(clients.back()->read_until("{\"bytes\":40000}\n").starts_with("HTTP/1.1 200"));
    }
  };
  open_some(50);
  const std::uint64_t before = rss_kib(run.worker_pid(1));
  open_some(200);
  const std::uint64_t after = rss_kib(run.worker_pid(1));
  // A record buffer alone has 16 KiB; there would be two.
  const std::uint64_t each = (after - std::min(after, before)) / 200;
  std::printf("an idle TLS connection: %lu KiB\n", each);
  if (!programs_are_sanitized()) {
    EXPECT_LT(each, 18u);
  }
  expect_clean_stop(run);
}

}  // namespace
}  // namespace holdfast::testing
