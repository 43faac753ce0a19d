// One upload and one download that cross three reloads, each between two quarters of their bytes:
// they stay with the worker where they began, arrive whole, and cost it no memory. 64 MiB in CI;
// HOLDFAST_TEST_TRANSFER_MIB=1024 for the long form.
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <iostream>
#include <unistd.h>

#include "tests/integration/web_clients.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;

constexpr std::size_t kPiece = 1 << 20;

struct Pipe {
  Pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) throw std::runtime_error("pipe2");
    read_end = UniqueFd(ends[0]);
    write_end = UniqueFd(ends[1]);
  }
  UniqueFd read_end;
  UniqueFd write_end;
};

class TransfersTest : public WebClientsTest {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);  // a client that ends too early is seen by its exit status
    start({"--stop-timeout", "30m"});
    old_pid = run->worker_pid(1);
  }
  // The same piece never comes twice.
  std::string_view piece(std::size_t number) {
    const std::string mark = std::to_string(number) + "\n";
    std::copy(mark.begin(), mark.end(), block.begin());
    return block;
  }
  void reload() {
    const Event verdict = run->reload();
    ASSERT_EQ(verdict.name(), "reload_done") << verdict.fields;
  }
  void expect_crossed(const std::string& target, const MemoryPeak& memory) {
    memory.expect_below(40'000);
    std::cout << "peak memory of the worker: " << memory.kib() << " KiB\n";
    expect_clean_stop(*run);
    const AccessLog log = run->log();
    const auto& line = log.only("url", target);
    EXPECT_EQ(line.value("pid", 0), old_pid) << "it began there";
    EXPECT_EQ(line.value("completion", ""), "ok") << line;
    EXPECT_EQ(line.value(target == "/upload" ? "request_size" : "response_size", std::size_t{0}),
              pieces * kPiece);
    EXPECT_EQ(run->count("reload_done"), 3u);
  }

  const std::size_t pieces = static_cast<std::size_t>(rounds("HOLDFAST_TEST_TRANSFER_MIB", 64));
  std::string block = random_bytes(kPiece);
  pid_t old_pid = 0;
};
INSTANTIATE_TEST_SUITE_P(Schemes, TransfersTest, ::testing::Values(Scheme::Http, Scheme::Https),
                         ::testing::PrintToStringParamName());

TEST_P(TransfersTest, AnUploadCrossesThreeReloads) {
  Pipe bytes;
  const std::string answer = folder.file("answer");
  ChildProcess client({.argv = curl({"-D", answer, "-o", "/dev/null", "-T", "-"}, "/upload"),
                       .in = bytes.read_end.get()});
  bytes.read_end.reset();
  MemoryPeak memory(old_pid);
  Checksum sum;
  for (std::size_t i = 0; i < pieces; ++i) {
    if (i % (pieces / 4) == 0 && i != 0) reload();
    std::string_view rest = piece(i);
    sum.add(rest);
    while (!rest.empty()) {
      const ssize_t n = ::write(bytes.write_end.get(), rest.data(), rest.size());
      ASSERT_GT(n, 0) << read_text(answer);
      rest.remove_prefix(static_cast<std::size_t>(n));
    }
    memory.sample();
  }
  bytes.write_end.reset();
  EXPECT_EQ(client.wait_exit(), exited(0));
  EXPECT_NE(read_text(answer).find("X-Checksum: " + sum.text() + "\r\n"), std::string::npos)
      << read_text(answer);
  expect_crossed("/upload", memory);
}

TEST_P(TransfersTest, ADownloadCrossesThreeReloads) {
  Checksum wanted;
  {
    std::ofstream file(folder.file("data"), std::ios::binary);
    for (std::size_t i = 0; i < pieces; ++i) {
      wanted.add(piece(i));
      file << block;
    }
  }
  Pipe bytes;
  ChildProcess client({.argv = curl({}, "/files/data"), .out = bytes.write_end.get()});
  bytes.write_end.reset();
  MemoryPeak memory(old_pid);
  Checksum got;
  std::size_t total = 0;
  std::string into(kPiece, '\0');
  int crossed = 0;
  for (;;) {
    ASSERT_TRUE(wait_readable(bytes.read_end.get(), kCap));
    const ssize_t n = ::read(bytes.read_end.get(), into.data(), into.size());
    if (n <= 0) break;
    got.add(std::string_view(into).substr(0, static_cast<std::size_t>(n)));
    total += static_cast<std::size_t>(n);
    memory.sample();
    if (crossed < 3 && total > (static_cast<std::size_t>(crossed) + 1) * pieces * kPiece / 4) {
      reload();
      ++crossed;
    }
  }
  EXPECT_EQ(client.wait_exit(), exited(0));
  EXPECT_EQ(total, pieces * kPiece);
  EXPECT_TRUE(got == wanted);
  expect_crossed("/files/data", memory);
}

}  // namespace
}  // namespace holdfast::testing
