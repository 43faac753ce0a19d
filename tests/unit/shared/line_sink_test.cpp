#include "shared/io/line_sink.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

#include "shared/io/syscall.hpp"

namespace holdfast {
namespace {

std::string line(int number, std::size_t size = 100) {
  std::string text = std::to_string(number) + " ";
  text.resize(size - 1, 'x');
  return text + '\n';
}

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};

// As the access log's: the write end is nonblocking too.
Pipe nonblocking_pipe(int capacity = 0) {
  int ends[2];
  EXPECT_EQ(::pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  if (capacity != 0) {
    EXPECT_GT(::fcntl(ends[0], F_SETPIPE_SZ, capacity), 0);
  }
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::string read_all(int fd) {
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) {
      lines.push_back(text.substr(at));
      break;
    }
    lines.push_back(text.substr(at, end + 1 - at));
    at = end + 1;
  }
  return lines;
}

class LineSinkFileTest : public testing::Test {
 protected:
  LineSinkFileTest() {
    std::string pattern = testing::TempDir() + "holdfast-sink-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
  }
  ~LineSinkFileTest() override { std::filesystem::remove_all(directory_); }

  UniqueFd open(const std::string& name) {
    return open_file(directory_ / name, O_WRONLY | O_CREAT | O_APPEND).value();
  }
  std::string content(const std::string& name) {
    std::ifstream in(directory_ / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  std::filesystem::path directory_;
};

TEST_F(LineSinkFileTest, LinesWaitForTheBatchThenAreOneWrite) {
  LineSink sink(open("log"), {.batch = 1000});
  for (int i = 0; i < 9; ++i) sink.append(line(i));
  EXPECT_EQ(content("log"), "");
  EXPECT_FALSE(sink.empty());
  sink.append(line(9));
  EXPECT_TRUE(sink.empty());
  EXPECT_EQ(lines_of(content("log")).size(), 10U);
}

TEST_F(LineSinkFileTest, ReopenedSinkWritesToTheNewTarget) {
  LineSink sink(open("old"));
  sink.append(line(1));
  sink.reopen(open("new"));
  sink.append(line(2));
  sink.flush();
  EXPECT_EQ(content("old"), line(1));
  EXPECT_EQ(content("new"), line(2));
}

TEST_F(LineSinkFileTest, ALineThatTheOldTargetTookInPartIsWholeInTheNewOne) {
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  LineSink sink(open("old"));
  for (int i = 0; i < 5; ++i) sink.append(line(i));
  const rlimit small{250, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_FALSE(sink.flush());
  EXPECT_EQ(sink.last_error(), EFBIG);
  EXPECT_EQ(content("old").size(), 250U);
  ::setrlimit(RLIMIT_FSIZE, &old);
  sink.reopen(open("new"));
  // The old target takes what it can once more; what matters is that no line is lost or torn.
  const std::string both = content("old") + content("new");
  for (int i = 0; i < 5; ++i) EXPECT_NE(both.find(line(i)), std::string::npos) << i;
  EXPECT_EQ(sink.lost(), 0U);
  EXPECT_TRUE(sink.empty());
}

TEST_F(LineSinkFileTest, APartialLineIsCompletedWhenThereIsRoomAgain) {
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit old{};
  ::getrlimit(RLIMIT_FSIZE, &old);
  LineSink sink(open("log"));
  for (int i = 0; i < 5; ++i) sink.append(line(i));
  const rlimit small{250, old.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_FALSE(sink.flush());
  ::setrlimit(RLIMIT_FSIZE, &old);
  EXPECT_TRUE(sink.flush());
  EXPECT_EQ(content("log"), line(0) + line(1) + line(2) + line(3) + line(4));
}

TEST(LineSinkTest, WithoutATargetLinesGoNowhere) {
  LineSink sink{UniqueFd()};
  sink.append(line(1));
  EXPECT_TRUE(sink.flush());
  EXPECT_EQ(sink.flush_for(Millis{10}), 0U);
  EXPECT_EQ(sink.lost(), 0U);
}

TEST(LineSinkTest, WritesToAPipeEndAtALineAndAreAtomic) {
  Pipe pipe = nonblocking_pipe();
  LineSink sink(std::move(pipe.write_end));
  std::string expected;
  for (int i = 0; i < 100; ++i) {
    expected += line(i, 1 + static_cast<std::size_t>(i) * 41 % 4096 + 8);
    sink.append(lines_of(expected).back());
  }
  // In packet mode a read gives what one write wrote; a pipe joins them, so reads of PIPE_BUF at
  // most cannot prove it: two writers can.
  std::string text;
  while (!sink.flush()) text += read_all(pipe.read_end.get());
  text += read_all(pipe.read_end.get());
  EXPECT_EQ(text, expected);
}

TEST(LineSinkTest, LinesOfTwoWritersNeverMix) {
  Pipe pipe = nonblocking_pipe(4096);
  UniqueFd second = duplicate(pipe.write_end.get()).value();
  constexpr int kLines = 2000;
  const auto writer = [](UniqueFd fd, char letter) {
    LineSink sink(std::move(fd), {.batch = 4096 * 3});
    for (int i = 0; i < kLines; ++i) {
      std::string text(50 + static_cast<std::size_t>(i) * 37 % 900, letter);
      text += '\n';
      sink.append(text);
    }
    EXPECT_EQ(sink.flush_for(Millis{20'000}), 0U);
  };
  std::thread one(writer, std::move(pipe.write_end), 'a');
  std::thread two(writer, std::move(second), 'b');
  std::string text;
  std::size_t count = 0;
  pollfd readable{pipe.read_end.get(), POLLIN, 0};
  while (count<2 * kLines&& ::poll(&readable, 1, 20'000)> 0) {
    const std::string more = read_all(pipe.read_end.get());
    count += static_cast<std::size_t>(std::count(more.begin(), more.end(), '\n'));
    text += more;
  }
  one.join();
  two.join();
  const auto lines = lines_of(text);
  EXPECT_EQ(lines.size(), 2U * kLines);
  for (const std::string& each : lines) {
    EXPECT_EQ(each.find_first_not_of(each.front()), each.size() - 1) << "mixed: " << each;
  }
}

TEST(LineSinkTest, AStalledReaderCostsCountedLinesWhereTheyMayBeDropped) {
  Pipe pipe = nonblocking_pipe(4096);
  LineSink sink(std::move(pipe.write_end),
                {.batch = 1000, .capacity = 20'000, .when_full = LineSink::WhenFull::Drop});
  for (int i = 0; i < 1000; ++i) sink.append(line(i));
  const std::uint64_t lost = sink.lost();
  EXPECT_GT(lost, 700U);
  EXPECT_EQ(sink.last_error(), EAGAIN);
  std::string text;
  while (!sink.flush()) text += read_all(pipe.read_end.get());
  sink.append(line(1000));
  while (!sink.flush()) text += read_all(pipe.read_end.get());
  text += read_all(pipe.read_end.get());
  const auto lines = lines_of(text);
  ASSERT_GE(lines.size(), 2U);
  EXPECT_EQ(lines[lines.size() - 2],
            "{\"type\":\"access_log_dropped\",\"lines\":" + std::to_string(lost) + "}\n");
  EXPECT_EQ(lines.back(), line(1000));
  EXPECT_EQ(lines.size(), 1000 - lost + 2);
  for (std::size_t i = 0; i < lines.size() - 2; ++i) EXPECT_EQ(lines[i], line(static_cast<int>(i)));
}

TEST(LineSinkTest, AStalledReaderIsWaitedForByDefault) {
  Pipe pipe = nonblocking_pipe(4096);
  std::atomic<bool> done = false;
  std::thread writer([&done, fd = std::move(pipe.write_end)]() mutable {
    LineSink sink(std::move(fd), {.batch = 1000, .capacity = 10'000});
    for (int i = 0; i < 500; ++i) sink.append(line(i));
    EXPECT_EQ(sink.flush_for(Millis{20'000}), 0U);
    EXPECT_EQ(sink.lost(), 0U);
    done = true;
  });
  std::string text;
  while (!done) {
    text += read_all(pipe.read_end.get());
    std::this_thread::yield();
  }
  writer.join();
  text += read_all(pipe.read_end.get());
  const auto lines = lines_of(text);
  ASSERT_EQ(lines.size(), 500U);
  for (int i = 0; i < 500; ++i) EXPECT_EQ(lines[static_cast<std::size_t>(i)], line(i));
}

TEST(LineSinkTest, AReaderThatIsGoneIsNotWaitedFor) {
  ::signal(SIGPIPE, SIG_IGN);
  Pipe pipe = nonblocking_pipe();
  pipe.read_end.reset();
  LineSink sink(std::move(pipe.write_end), {.batch = 1000, .capacity = 5000});
  for (int i = 0; i < 100; ++i) sink.append(line(i));
  EXPECT_EQ(sink.lost(), 50U);
  EXPECT_EQ(sink.last_error(), EPIPE);
  EXPECT_EQ(sink.flush_for(Millis{60'000}), 50U);
  EXPECT_EQ(sink.lost(), 100U);
}

TEST(LineSinkTest, AFullDiskIsNotWaitedFor) {
  LineSink sink(open_file("/dev/full", O_WRONLY).value(), {.batch = 1000, .capacity = 5000});
  for (int i = 0; i < 100; ++i) sink.append(line(i));
  EXPECT_EQ(sink.lost(), 50U);
  EXPECT_EQ(sink.last_error(), ENOSPC);
  EXPECT_EQ(sink.flush_for(Millis{60'000}), 50U);
}

TEST(LineSinkTest, FlushGivesUpAtItsDeadlineAndCountsTheLines) {
  Pipe pipe = nonblocking_pipe(4096);
  LineSink sink(std::move(pipe.write_end), {.batch = 1'000'000});
  for (int i = 0; i < 100; ++i) sink.append(line(i));
  const auto begin = Clock::now();
  const std::uint64_t given_up = sink.flush_for(Millis{50});
  EXPECT_GE(Clock::now() - begin, Millis{49});
  EXPECT_EQ(given_up, 100 - lines_of(read_all(pipe.read_end.get())).size());
  EXPECT_EQ(sink.lost(), given_up);
  EXPECT_TRUE(sink.empty());
}

TEST(LineSinkTest, ASignalDoesNotEndTheLastFlushEarly) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  struct sigaction old {};
  ::sigaction(SIGUSR1, &action, &old);
  Pipe pipe = nonblocking_pipe(4096);
  std::atomic<bool> done = false;
  std::thread writer([&done, fd = std::move(pipe.write_end)]() mutable {
    LineSink sink(std::move(fd), {.batch = 1'000'000});
    for (int i = 0; i < 200; ++i) sink.append(line(i));
    EXPECT_EQ(sink.flush_for(Millis{20'000}), 0U);
    done = true;
  });
  // A pipe of one page makes the flush wait again and again; it is struck all the while.
  std::string text;
  while (!done) {
    ::pthread_kill(writer.native_handle(), SIGUSR1);
    text += read_all(pipe.read_end.get());
  }
  writer.join();
  text += read_all(pipe.read_end.get());
  EXPECT_EQ(lines_of(text).size(), 200U);
  ::sigaction(SIGUSR1, &old, nullptr);
}

}  // namespace
}  // namespace holdfast
