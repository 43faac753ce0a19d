// The demo's /files/NAME, as curl sees it: whole, by ranges, continued.
#include <sys/stat.h>

#include <gtest/gtest.h>

#include "tests/integration/streams_fixture.hpp"

namespace holdfast::testing {
namespace {

class FilesTest : public ::testing::Test {
 protected:
  CommandResult curl(std::vector<std::string> arguments, const std::string& name = "data") {
    arguments.insert(arguments.begin(), {"curl", "-sS", "--max-time", "25"});
    arguments.push_back("http://" + address + "/files/" + name);
    return run_command(arguments);
  }
  TempDir folder;
  std::string bytes = random_bytes(300'000);
  std::string path = folder.write("data", bytes);
  SupervisorRun run{{.command = {demo_path(), "--files", folder.path().string()}}};
  std::string address = run.wait_ready().address();
};

TEST_F(FilesTest, AFileComesWhole) {
  EXPECT_TRUE(curl({}).out == bytes);
  const auto head = curl({"-I"});
  EXPECT_NE(head.out.find("Content-Length: 300000\r\n"), std::string::npos) << head.out;
  EXPECT_NE(head.out.find("Accept-Ranges: bytes\r\n"), std::string::npos) << head.out;
}

TEST_F(FilesTest, ARangeIsAPart) {
  const auto range = [&](const std::string& wanted) {
    return curl({"-w", "%{stderr}%{http_code}", "-r", wanted});
  };
  EXPECT_EQ(range("0-0").out, bytes.substr(0, 1));
  EXPECT_EQ(range("1000-1999").out, bytes.substr(1000, 1000));
  EXPECT_EQ(range("299990-").out, bytes.substr(299'990));
  EXPECT_EQ(range("-7").out, bytes.substr(299'993));
  EXPECT_EQ(range("299990-400000").out, bytes.substr(299'990));
  EXPECT_TRUE(range("-400000").out == bytes);
  EXPECT_EQ(range("1000-1999").err, "206");
}

TEST_F(FilesTest, ARangeBehindTheEndIsRefusedWithTheSize) {
  const auto result = curl({"-i", "-r", "300000-"});
  EXPECT_TRUE(result.out.starts_with("HTTP/1.1 416 ")) << result.out;
  EXPECT_NE(result.out.find("Content-Range: bytes */300000\r\n"), std::string::npos) << result.out;
}

TEST_F(FilesTest, WhatIsNoSingleRangeIsTheWholeFile) {
  for (const char* range :
       {"bytes=0-1,5-6", "bytes=5-2", "bytes=", "bytes=-", "bytes=a-b", "lines=1-2"}) {
    const auto result = curl({"-w", "%{stderr}%{http_code}", "-H", std::string("Range: ") + range});
    EXPECT_EQ(result.err, "200") << range;
    EXPECT_TRUE(result.out == bytes) << range;
  }
}

TEST_F(FilesTest, ABrokenDownloadIsContinued) {
  const std::string out = folder.write("part", bytes.substr(0, 123'456));
  EXPECT_EQ(curl({"-C", "-", "-o", out}).status, exited(0));
  EXPECT_TRUE(read_text(out) == bytes);
}

TEST_F(FilesTest, OnlyPlainFilesOfTheFolderAreServed) {
  ::mkdir(folder.file("folder").c_str(), 0755);
  ::mkfifo(folder.file("pipe").c_str(), 0644);
  folder.link("link", "/etc/passwd");
  folder.write(".hidden", "x");
  for (const char* name : {"folder", "pipe", "link", ".hidden", "absent", "", "folder/x", "%2e%2e"})
    EXPECT_EQ(curl({"-w", "%{http_code}"}, name).out, "404") << name;
}

}  // namespace
}  // namespace holdfast::testing
