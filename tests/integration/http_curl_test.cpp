// A client that we did not write: curl against a real worker, alone and across a reload.
#include <chrono>
#include <csignal>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

class CurlTest : public ::testing::Test {
 protected:
  CommandResult curl(std::vector<std::string> arguments, const std::string& path = "/",
                     std::string_view input = {}) {
    arguments.insert(arguments.begin(), {"curl", "-sS", "--max-time", "25"});
    arguments.push_back("http://" + address + path);
    return run_command(arguments, input);
  }
  SupervisorRun run;
  std::string address = run.wait_ready().address();
};

TEST_F(CurlTest, Http11And10) {
  for (const char* version : {"--http1.1", "--http1.0"}) {
    const auto result = curl({version, "-w", " %{http_code} %{http_version}"});
    EXPECT_EQ(result.status, exited(0)) << result.err;
    EXPECT_TRUE(result.out.starts_with("Hello, world! 200 1.")) << result.out;
  }
}

TEST_F(CurlTest, Head) {
  const auto result = curl({"-I"});
  EXPECT_EQ(result.status, exited(0)) << result.err;
  EXPECT_TRUE(result.out.starts_with("HTTP/1.1 200 ")) << result.out;
  EXPECT_EQ(result.out.find("Hello"), std::string::npos) << result.out;
}

TEST_F(CurlTest, KeepAliveReusesTheConnection) {
  const std::string url = "http://" + address + "/";
  const auto result = curl({"-w", " %{num_connects}\n", url, url});
  EXPECT_EQ(result.out, "Hello, world! 1\nHello, world! 0\nHello, world! 0\n") << result.err;
}

TEST_F(CurlTest, AChunkedUpload) {
  const std::string body(300'000, 'b');
  const auto result = curl({"-X", "POST", "-T", "-"}, "/upload", body);
  EXPECT_EQ(result.status, exited(0)) << result.err;
  EXPECT_EQ(nlohmann::json::parse(result.out).at("bytes"), body.size());
  expect_clean_stop(run);
  EXPECT_EQ(run.log().only("url", "/upload").at("request_size"), body.size());
}

TEST_F(CurlTest, Expect100ContinueIsAnsweredBeforeTheBody) {
  const std::string body(5000, 'b');
  const auto result =
      curl({"-v", "-H", "Expect: 100-continue", "--expect100-timeout", "20", "--data-binary", "@-"},
           "/echo", body);
  EXPECT_EQ(result.status, exited(0)) << result.err;
  EXPECT_EQ(result.out, body);
  EXPECT_NE(result.err.find("< HTTP/1.1 100"), std::string::npos) << result.err;
}

TEST_F(CurlTest, AnErrorArrivesEvenThoughTheBodyIsStillComing) {
  // 413 while curl is still sending: a close with unread bytes would destroy the answer.
  const std::string body(8'000'000, 'b');
  const auto result =
      curl({"-H", "Expect:", "--data-binary", "@-", "-w", "%{http_code}", "-o", "/dev/null"},
           "/echo", body);
  EXPECT_EQ(result.out, "413") << result.err;
}

TEST_F(CurlTest, AStream) {
  const auto result = curl({"-N", "-D", "-"}, "/stream?chunks=5&interval=10ms");
  EXPECT_EQ(result.status, exited(0)) << result.err;
  EXPECT_NE(result.out.find("chunked"), std::string::npos) << result.out;
}

TEST_F(CurlTest, ADownloadThatCrossesAReloadIsWhole) {
  const std::string target = "/stream?chunks=30&interval=30ms";
  const auto alone = curl({}, target);
  ASSERT_EQ(alone.status, exited(0)) << alone.err;
  ChildProcess download({.argv = {"curl", "-sS", "--fail", "-o", run.files().file("out"),
                                  "http://" + address + target},
                         .environment = {}});
  ASSERT_EQ(run.reload().name(), "reload_done");
  EXPECT_EQ(download.wait_exit(), exited(0));
  EXPECT_EQ(read_text(run.files().file("out")).size(), alone.out.size());
}

}  // namespace
}  // namespace holdfast::testing
