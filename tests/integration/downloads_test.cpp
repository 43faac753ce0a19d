// Files in responses (ResponseWriter::send_file): the kernel sends them, so what is tested is that
// they arrive whole, behind what was written before, at flat memory, and that a file which is not
// what it was said to be never passes for whole.
#include <chrono>
#include <filesystem>
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "tests/integration/streams_fixture.hpp"

namespace holdfast::testing {
namespace {

constexpr std::size_t kSize = 5'000'000;  // more than a socket takes, and than one turn sends

class DownloadsTest : public StreamsTest {
 protected:
  std::string bytes = random_bytes(kSize);
  std::string path = run.files().write("file", bytes);

  std::string fields(const std::string& more = "") const {
    return "X-File: " + path + "\r\n" + more;
  }
  RawClient& ask(RawClient& client, const std::string& target, const std::string& more = "") {
    return client.send(get_request(target, fields(more)));
  }
  void expect_counted(const AccessLog::Line& line, std::size_t body) {
    EXPECT_EQ(line.value("completion", ""), "ok") << line;
    EXPECT_EQ(line.value("response_size", 0u), body) << line;
  }
};

TEST_F(DownloadsTest, AFileIsTheBody) {
  RawClient client(address);
  const Response response = ask(client, "/file/whole").read_response();
  EXPECT_EQ(response.header("content-length"), std::to_string(kSize));
  EXPECT_TRUE(response.body == bytes);
  EXPECT_EQ(client.get("/", "X-Request-ID: bystander\r\n").body, "Hello, world!");
  expect_counted(stop_and_take_line(), kSize);
}

TEST_F(DownloadsTest, APartOfAFileIsTheBody) {
  RawClient client(address);
  const Response response =
      ask(client, "/file/whole", "X-Offset: 1000001\r\nX-Length: 2000003\r\n").read_response();
  EXPECT_TRUE(response.body == bytes.substr(1'000'001, 2'000'003));
  expect_counted(stop_and_take_line(), 2'000'003);
}

TEST_F(DownloadsTest, ItFollowsWhatWasWritten) {
  RawClient client(address);
  const Response response = ask(client, "/file/behind").read_response();
  EXPECT_EQ(response.header("content-length"), std::to_string(9 + kSize));
  EXPECT_TRUE(response.body == "in front|" + bytes);
  expect_counted(stop_and_take_line(), 9 + kSize);
}

TEST_F(DownloadsTest, WithADeclaredLengthMoreMayFollow) {
  RawClient client(address);
  const std::string declared = "X-Declared: " + std::to_string(9 + kSize + 7) + "\r\n";
  const Response response = ask(client, "/file/declared", declared).read_response();
  EXPECT_TRUE(response.body == "in front|" + bytes + "|behind");
  EXPECT_FALSE(response.says_close());
  expect_counted(stop_and_take_line(), 9 + kSize + 7);
}

TEST_F(DownloadsTest, InAChunkedBodyItIsAChunk) {
  RawClient client(address);
  const Response response = ask(client, "/file/chunked").read_response();
  EXPECT_EQ(response.chunks, 3);
  EXPECT_TRUE(response.body == "in front|" + bytes + "|behind");
  EXPECT_EQ(response.trailers.at("x-sum"), "42");
  expect_counted(stop_and_take_line(), 9 + kSize + 7);
}

TEST_F(DownloadsTest, TwoFilesFollowOneAnother) {
  RawClient client(address);
  const Response response = ask(client, "/file/two").read_response();
  EXPECT_TRUE(response.body == "in front|" + bytes + "|between|" + bytes + "|behind");
  expect_counted(stop_and_take_line(), 9 + kSize + 9 + kSize + 7);
}

TEST_F(DownloadsTest, BytesSentAreThoseOnTheWire) {
  std::map<std::string, std::size_t> sizes;
  for (const char* target : {"/file/whole", "/file/behind", "/file/chunked", "/file/two"}) {
    RawClient client(address);
    sizes[target] = ask(client, target, "Connection: close\r\n").read_all().size();
  }
  expect_clean_stop(run);
  for (const auto& [target, size] : sizes)
    EXPECT_EQ(run.log().only("url", target).value("bytes_sent", std::size_t{0}), size) << target;
}

TEST_F(DownloadsTest, AnEmptyFileIsAnEmptyBody) {
  path = run.files().write("empty", "");
  RawClient client(address);
  for (const char* target : {"/file/whole", "/file/chunked", "/file/two"}) {
    const Response response = ask(client, target).read_response();
    EXPECT_EQ(response.status, 200) << target;
    EXPECT_EQ(response.body.find_first_not_of("in front|between|behind"), std::string::npos);
  }
  expect_clean_stop(run);
}

TEST_F(DownloadsTest, AHeadRequestTellsOfItAndGetsNone) {
  RawClient client(address);
  for (const char* target : {"/file/whole", "/file/behind", "/file/chunked", "/file/two"}) {
    client.send("HEAD " + std::string(target) + " HTTP/1.1\r\nHost: a\r\n" + fields() + "\r\n");
    const Response head = client.read_response(true);
    EXPECT_EQ(head.status, 200);
    if (std::string(target) == "/file/behind") {
      EXPECT_EQ(head.header("content-length"), std::to_string(9 + kSize));
    }
    ASSERT_EQ(client.get("/").body, "Hello, world!") << "behind HEAD " << target;
  }
  expect_clean_stop(run);
  for (const auto& line : lines()) {
    EXPECT_EQ(line.value("completion", ""), "ok") << line;
  }
}

TEST_F(DownloadsTest, Http10GetsItWithItsLengthOrUntilTheClose) {
  for (const char* target : {"/file/whole", "/file/chunked"}) {
    RawClient client(address);
    client.send("GET " + std::string(target) + " HTTP/1.0\r\n" + fields() + "\r\n");
    const Response response = client.read_response();
    const bool chunked = std::string(target) == "/file/chunked";
    EXPECT_EQ(response.header("content-length"), chunked ? "" : std::to_string(kSize));
    EXPECT_TRUE(response.body == (chunked ? "in front|" + bytes + "|behind" : bytes));
    EXPECT_EQ(client.wait_end(), End::Closed);
  }
}

// Files that are not what they were

class ShrinkingFileTest : public DownloadsTest,
                          public ::testing::WithParamInterface<const char*> {};
INSTANTIATE_TEST_SUITE_P(Framings, ShrinkingFileTest,
                         ::testing::Values("/file/whole", "/file/chunked"));

TEST_P(ShrinkingFileTest, AFileThatIsTruncatedWhileItIsSentCutsTheResponse) {
  std::filesystem::resize_file(path, 200'000'000);
  RawClient client(address);
  Response response = ask(client, GetParam()).read_head();
  client.read_bytes(1'000'000);
  std::filesystem::resize_file(path, 1'000);
  EXPECT_THROW(
      {
        for (;;) {
          if (client.read_some().empty()) throw RawClientError("end of file");
          ASSERT_NE(client.wait_end(), End::StillOpen);
        }
      },
      RawClientError);
  expect_bystander_served();
  const auto line = stop_and_take_line();
  EXPECT_EQ(line.value("completion", ""), "handler_error") << line;
  EXPECT_LT(line.value("response_size", 0u), 200'000'000u) << line;
  EXPECT_EQ(line.value("http_status_code", 0), 200);
}

TEST_F(DownloadsTest, WithoutALengthATruncatedFileEndsInAResetNotInAnEnd) {
  std::filesystem::resize_file(path, 200'000'000);
  RawClient client(address);
  client.send("GET /file/chunked HTTP/1.0\r\n" + fields() + "\r\n");
  client.read_bytes(1'000'000);
  std::filesystem::resize_file(path, 1'000);
  EXPECT_THROW(client.read_all(), RawClientError) << "an HTTP/1.0 client would think it whole";
  EXPECT_EQ(stop_and_take_line().value("completion", ""), "handler_error");
}

TEST_F(DownloadsTest, AFileThatIsShorterThanWasSaidCutsTheResponse) {
  RawClient client(address);
  ask(client, "/file/whole", "X-Length: 6000000\r\n");
  EXPECT_EQ(client.read_head().header("content-length"), "6000000");
  EXPECT_TRUE(client.read_bytes(kSize) == bytes);
  EXPECT_NE(client.wait_end(), End::Bytes);
  const auto line = stop_and_take_line();
  EXPECT_EQ(line.value("completion", ""), "handler_error") << line;
  EXPECT_EQ(line.value("response_size", 0u), kSize);
}

TEST_F(DownloadsTest, WhatCannotBeSentIsTheHandlersErrorNotTheClients) {
  RawClient client(address);
  client.send(get_request("/file/directory"));
  EXPECT_THROW(client.read_response(), RawClientError);
  expect_bystander_served();
  EXPECT_EQ(stop_and_take_line().value("completion", ""), "handler_error");
}

// What it costs

TEST_F(DownloadsTest, ASlowReaderCostsNoMemoryAndHoldsNobodyUp) {
  std::filesystem::resize_file(path, 100'000'000);
  MemoryPeak memory(worker);
  std::vector<RawClient> slow;
  for (int i = 0; i < 5; ++i) ask(slow.emplace_back(address), "/file/whole");
  RawClient reader(address);
  ask(reader, "/file/whole").read_head();
  for (std::size_t left = 100'000'000; left != 0;) {
    left -= reader.read_some(std::min<std::size_t>(left, 65536)).size();
    if (left % 1000 == 0) expect_bystander_served();
    memory.sample();
  }
  memory.expect_below(20'000);
  for (RawClient& client : slow) client.reset();
  EXPECT_EQ(wait_lines(6).size(), 6u);
  expect_clean_stop(run);
}

TEST_F(DownloadsTest, AFileIsClosedWhoeverEndsItsResponse) {
  expect_bystander_served();
  const std::size_t before = open_fds(worker).size();
  for (const char* target : {"/file/whole", "/file/two", "/file/declared"}) {
    RawClient left(address);
    ask(left, target).read_head();
    left.reset();
    RawClient whole(address);
    ask(whole, target, "Connection: close\r\n").read_all();
  }
  EXPECT_TRUE(eventually([&] { return open_fds(worker).size() == before; }));
  expect_clean_stop(run);
}

}  // namespace
}  // namespace holdfast::testing
