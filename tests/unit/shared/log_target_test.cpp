#include "shared/io/log_target.hpp"

#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "shared/io/syscall.hpp"

namespace holdfast {
namespace {

// Puts `fd` in the place of stdout for one test.
class StdoutAs {
 public:
  explicit StdoutAs(int fd) : saved_(duplicate(1).value()) { ::dup2(fd, 1); }
  StdoutAs(const StdoutAs&) = delete;
  StdoutAs& operator=(const StdoutAs&) = delete;
  ~StdoutAs() { ::dup2(saved_.get(), 1); }

 private:
  UniqueFd saved_;
};

class LogTargetTest : public testing::Test {
 protected:
  LogTargetTest() {
    std::string pattern = testing::TempDir() + "holdfast-log-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~LogTargetTest() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path directory_;
};

TEST_F(LogTargetTest, OffIsNoDescriptor) {
  const auto target = open_log_target("off");
  ASSERT_TRUE(target);
  EXPECT_FALSE(*target);
}

TEST_F(LogTargetTest, AFileIsCreatedAndAppendedTo) {
  const std::string path = directory_ / "access.log";
  for (const std::string_view line : {"one\n", "two\n"}) {
    const auto target = open_log_target(path);
    ASSERT_TRUE(target) << target.error().message;
    EXPECT_EQ(::fcntl(target->get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    write_fully(target->get(), line);
  }
  std::ifstream in(path);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(text, "one\ntwo\n");
  struct stat info {};
  ::stat(path.c_str(), &info);
  EXPECT_EQ(info.st_mode & 0007U, 0U) << "logs hold addresses; they are not for everybody";
}

TEST_F(LogTargetTest, AFileThatCannotBeOpenedIsNamed) {
  const auto target = open_log_target(directory_ / "none" / "access.log");
  ASSERT_FALSE(target);
  EXPECT_EQ(target.error().code, ENOENT);
  EXPECT_NE(target.error().message.find("none/access.log"), std::string::npos);
  EXPECT_FALSE(open_log_target(directory_));
}

TEST_F(LogTargetTest, APipeBehindStdoutIsOpenedAnewSoThatItsFlagsStay) {
  const auto pipe = output_pipe().value();
  int flags = 0;
  int shared_flags = 0;
  {
    const StdoutAs stdout_is(pipe.second.get());
    const auto target = open_log_target("stdout");
    ASSERT_TRUE(target);
    flags = ::fcntl(target->get(), F_GETFL);
    shared_flags = ::fcntl(1, F_GETFL);
    write_fully(target->get(), "line\n");
  }
  EXPECT_EQ(flags & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(shared_flags & O_NONBLOCK, 0);
  char text[16];
  EXPECT_EQ(::read(pipe.first.get(), text, sizeof text), 5);
}

TEST_F(LogTargetTest, AFileBehindStdoutSharesItsOffset) {
  const std::string path = directory_ / "out";
  const UniqueFd file = open_file(path, O_WRONLY | O_CREAT).value();
  {
    const StdoutAs stdout_is(file.get());
    const auto target = open_log_target("stdout");
    ASSERT_TRUE(target);
    write_fully(1, "one\n");
    write_fully(target->get(), "two\n");
    write_fully(1, "three\n");
  }
  std::ifstream in(path);
  std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_EQ(text, "one\ntwo\nthree\n");
}

TEST_F(LogTargetTest, ASocketBehindStdoutIsShared) {
  const auto pair = seqpacket_pair().value();
  const StdoutAs stdout_is(pair.first.get());
  const auto target = open_log_target("stdout");
  ASSERT_TRUE(target) << target.error().message;
  EXPECT_GT(target->get(), 2);
}

TEST_F(LogTargetTest, AFifoWithoutAReaderIsAnErrorNotAHang) {
  const std::string path = directory_ / "fifo";
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  const auto target = open_log_target(path);
  ASSERT_FALSE(target);
  EXPECT_EQ(target.error().code, ENXIO);
}

}  // namespace
}  // namespace holdfast
