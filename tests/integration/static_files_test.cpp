// The example that serves files, with curl and with a client that curl is too honest for: ranges,
// conditional requests, and no way out of the folder. With it the router and byte ranges in use.
#include <filesystem>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "tests/integration/scenario.hpp"

namespace holdfast::testing {
namespace {

class StaticFilesTest : public ::testing::Test {
 protected:
  StaticFilesTest() {
    std::filesystem::create_directories(files.file("root/sub"));
    files.write("root/index.html", "<p>index</p>");
    files.write("root/ten", "0123456789");
    files.write("root/sub/a b.txt", "spaces");
    files.write("root/empty", "");
    files.write("secret", "secret");
    files.write("rootless", "secret");
    std::filesystem::create_symlink("../secret", files.file("root/out"));
    std::filesystem::create_symlink(files.file("secret"), files.file("root/absolute"));
    std::filesystem::create_symlink("ten", files.file("root/inside"));
    EXPECT_EQ(::mkfifo(files.file("root/fifo").c_str(), 0600), 0);
    run = std::make_unique<SupervisorRun>(
        SupervisorOptions{.command = {STATIC_FILES_PATH, files.file("root")}});
    address = run->wait_ready().address();
  }
  Response get(const std::string& target, const std::string& headers = "") {
    return RawClient(address).get(target, headers);
  }
  CommandResult curl(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"curl", "-sS", "--max-time", "25"});
    return run_command(arguments);
  }
  TempDir files;
  std::unique_ptr<SupervisorRun> run;
  std::string address;
};

TEST_F(StaticFilesTest, FilesAreServedWhole) {
  EXPECT_EQ(get("/ten").body, "0123456789");
  EXPECT_EQ(get("/ten").header("content-type"), "application/octet-stream");
  EXPECT_EQ(get("/").body, "<p>index</p>");
  EXPECT_EQ(get("/").header("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(get("/sub/a%20b.txt").body, "spaces");
  EXPECT_EQ(get("/inside").body, "0123456789");
  EXPECT_EQ(get("/empty").header("content-length"), "0");
  EXPECT_EQ(get("http://example.org/ten").body, "0123456789");
  RawClient client(address);
  client.send("HEAD /ten HTTP/1.1\r\nHost: a\r\n\r\n");
  const Response head = client.read_response(true);
  EXPECT_EQ(head.header("content-length"), "10");
  EXPECT_EQ(client.get("/ten").body, "0123456789") << "and nothing came behind the HEAD";
}

TEST_F(StaticFilesTest, NothingOutsideOfTheFolderHasAName) {
  for (const char* target : {"/../secret",
                             "/sub/../../secret",
                             "/%2e%2e/secret",
                             "/..%2fsecret",
                             "/%2e%2e%2fsecret",
                             "/out",
                             "/absolute",
                             "/../rootless",
                             "/sub/%2e%2e/%2e%2e/secret",
                             "//etc/passwd",
                             "/%2fetc/passwd",
                             "/sub/..",
                             "/./ten",
                             "/ten/",
                             "/sub",
                             "/nothing",
                             "/fifo",
                             "/proc/self/root/etc/passwd",
                             "/ten/x",
                             "/%5c..%5csecret"}) {
    const Response response = get(target);
    EXPECT_EQ(response.status, 404) << target;
    EXPECT_EQ(response.body.find("secret"), std::string::npos) << target;
  }
  EXPECT_EQ(get("/ten%00.txt").status, 400);
  EXPECT_EQ(get("/%zz").status, 400);
}

TEST_F(StaticFilesTest, RangesAreParts) {
  const Response part = get("/ten", "Range: bytes=2-4\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, "234");
  EXPECT_EQ(part.header("content-range"), "bytes 2-4/10");
  EXPECT_EQ(get("/ten", "Range: bytes=-3\r\n").body, "789");
  const Response behind = get("/ten", "Range: bytes=10-\r\n");
  EXPECT_EQ(behind.status, 416);
  EXPECT_EQ(behind.header("content-range"), "bytes */10");
  EXPECT_EQ(get("/ten", "Range: bytes=0-1,3-4\r\n").status, 200);
  const std::string tag = get("/ten").header("etag");
  EXPECT_EQ(get("/ten", "Range: bytes=2-4\r\nIf-Range: " + tag + "\r\n").status, 206);
  EXPECT_EQ(get("/ten", "Range: bytes=2-4\r\nIf-Range: \"other\"\r\n").body, "0123456789");
}

TEST_F(StaticFilesTest, WhatTheClientHasIsNotSentAgain) {
  const Response first = get("/ten");
  const std::string tag = first.header("etag");
  const std::string modified = first.header("last-modified");
  EXPECT_EQ(get("/ten", "If-None-Match: " + tag + "\r\n").status, 304);
  EXPECT_EQ(get("/ten", "If-None-Match: \"x\", W/" + tag + "\r\n").status, 304);
  EXPECT_EQ(get("/ten", "If-None-Match: \"x\"\r\n").status, 200);
  EXPECT_EQ(get("/ten", "If-Modified-Since: " + modified + "\r\n").status, 304);
  EXPECT_EQ(get("/ten", "If-Modified-Since: Thu, 01 Jan 1970 00:00:00 GMT\r\n").status, 200);
  EXPECT_EQ(get("/ten", "If-Modified-Since: yesterday\r\n").status, 200);
  EXPECT_EQ(get("/ten", "If-None-Match: \"x\"\r\nIf-Modified-Since: " + modified + "\r\n").status,
            200)
      << "the tag beats the date";
}

TEST_F(StaticFilesTest, OtherMethodsAreToldWhatThereIs) {
  RawClient client(address);
  client.send("DELETE /ten HTTP/1.1\r\nHost: a\r\n\r\n");
  const Response refused = client.read_response();
  EXPECT_EQ(refused.status, 405);
  EXPECT_EQ(refused.header("allow"), "GET, HEAD, OPTIONS");
  client.send("OPTIONS /ten HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_response().status, 204);
  client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(client.read_response().header("allow"), "GET, HEAD, OPTIONS");
}

TEST_F(StaticFilesTest, CurlResumesADownloadWhereItStopped) {
  std::string big;
  for (int i = 0; i < 300'000; ++i) big += std::to_string(i);
  files.write("root/big", big);
  const std::string url = "http://" + address + "/big";
  const std::string copy = files.write("copy", big.substr(0, 1'000'001));
  const auto result = curl({"--fail", "-C", "-", "-o", copy, "-w", "%{http_code}", url});
  EXPECT_EQ(result.status, exited(0)) << result.err;
  EXPECT_EQ(result.out, "206");
  EXPECT_TRUE(read_text(copy) == big);
  expect_clean_stop(*run);
}

}  // namespace
}  // namespace holdfast::testing
