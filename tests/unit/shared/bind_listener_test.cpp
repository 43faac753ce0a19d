#include "shared/io/bind_listener.hpp"

#include <arpa/inet.h>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

Result<BoundListener> bind_text(std::string_view text) {
  return bind_listener(parse_listen_address(text).value());
}

bool accepts_tcp(const char* host, std::uint16_t port) {
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(port);
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (::inet_pton(AF_INET, host, &v4.sin_addr) != 1) return false;
  return ::connect(client.get(), reinterpret_cast<const sockaddr*>(&v4), sizeof v4) == 0;
}

bool accepts_unix(const std::string& path) {
  sockaddr_un local{};
  local.sun_family = AF_UNIX;
  std::memcpy(local.sun_path, path.data(), path.size());
  if (path.front() == '@') local.sun_path[0] = '\0';
  const UniqueFd client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() +
                                           (path.front() == '@' ? 0 : 1));
  return ::connect(client.get(), reinterpret_cast<const sockaddr*>(&local), size) == 0;
}

bool has_ipv6() { return bool(bind_text("[::1]:0")); }

TEST(BindTcpTest, PortZeroBecomesTheRealOne) {
  const auto listener = bind_text("127.0.0.1:0");
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_NE(listener->port, 0);
  EXPECT_EQ(listener->address, "127.0.0.1:" + std::to_string(listener->port));
  EXPECT_TRUE(listener->path.empty());
  EXPECT_TRUE(accepts_tcp("127.0.0.1", listener->port));
}

// Two workers that share it may both do so; the second shutdown finds it closed, and marks it.
TEST(BindTcpTest, OneThatWasShutTwiceServesAgainUnderItsPort) {
  const auto listener = bind_text("127.0.0.1:0");
  ASSERT_TRUE(listener);
  for (int i = 0; i < 2; ++i) ::shutdown(listener->fd.get(), SHUT_RDWR);
  const auto address = parse_listen_address(listener->address);
  ASSERT_TRUE(listen_again(listener->fd.get(), std::get<TcpAddress>(*address)));
  const UniqueFd client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(listener->port);
  ASSERT_EQ(::inet_pton(AF_INET, "127.0.0.1", &v4.sin_addr), 1);
  ASSERT_EQ(::connect(client.get(), reinterpret_cast<const sockaddr*>(&v4), sizeof v4), 0);
  const UniqueFd accepted(::accept(listener->fd.get(), nullptr, nullptr));
  ASSERT_TRUE(accepted) << std::strerror(errno);
  char byte = 'x';
  ASSERT_EQ(::send(client.get(), &byte, 1, 0), 1);
  EXPECT_EQ(::recv(accepted.get(), &byte, 1, MSG_WAITALL), 1) << "it is accepted at its end";
  EXPECT_EQ(::send(accepted.get(), &byte, 1, MSG_NOSIGNAL), 1) << std::strerror(errno);
}

TEST(BindTcpTest, TheSocketIsCloexecAndNonblocking) {
  const auto listener = bind_text("127.0.0.1:0");
  ASSERT_TRUE(listener);
  EXPECT_EQ(::fcntl(listener->fd.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  EXPECT_EQ(::fcntl(listener->fd.get(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
}

TEST(BindTcpTest, NoHostMeansBothFamilies) {
  const auto listener = bind_text(":0");
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_EQ(listener->address, ":" + std::to_string(listener->port));
  EXPECT_TRUE(accepts_tcp("127.0.0.1", listener->port));
}

TEST(BindTcpTest, AnIpv6AddressIsForIpv6Only) {
  if (!has_ipv6()) GTEST_SKIP() << "no IPv6 here";
  const auto listener = bind_text("[::]:0");
  ASSERT_TRUE(listener);
  EXPECT_EQ(listener->address, "[::]:" + std::to_string(listener->port));
  EXPECT_FALSE(accepts_tcp("127.0.0.1", listener->port));
}

TEST(BindTcpTest, AnAddressInUseIsTold) {
  const auto first = bind_text("127.0.0.1:0");
  const auto second = bind_text(first->address);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, EADDRINUSE);
  EXPECT_EQ(second.error().message, "cannot bind " + first->address + ": Address already in use");
}

class BindUnixTest : public testing::Test {
 protected:
  BindUnixTest() {
    std::string pattern = testing::TempDir() + "holdfast-bind-XXXXXX";
    directory_ = ::mkdtemp(pattern.data());
    path_ = (directory_ / "s").string();
  }
  ~BindUnixTest() override { std::filesystem::remove_all(directory_); }

  std::filesystem::path directory_;
  std::string path_;
};

TEST_F(BindUnixTest, TheFileIsKnownByItsInode) {
  const auto listener = bind_text("unix:" + path_);
  ASSERT_TRUE(listener) << listener.error().message;
  struct stat info {};
  ::stat(path_.c_str(), &info);
  EXPECT_EQ(listener->address, "unix:" + path_);
  EXPECT_EQ(listener->path, path_);
  EXPECT_EQ(listener->inode, info.st_ino);
  EXPECT_EQ(listener->device, info.st_dev);
  EXPECT_EQ(listener->port, 0);
  EXPECT_TRUE(accepts_unix(path_));
}

TEST_F(BindUnixTest, TheModeIsAsGivenWhateverTheUmask) {
  const mode_t old_mask = ::umask(0077);
  const auto listener = bind_text("unix:" + path_ + ",mode=0666");
  EXPECT_EQ(::umask(old_mask), 0077U) << "the umask is put back";
  ASSERT_TRUE(listener);
  struct stat info {};
  ::stat(path_.c_str(), &info);
  EXPECT_EQ(info.st_mode & 0777U, 0666U);
}

TEST_F(BindUnixTest, AStaleSocketIsReplaced) {
  bind_text("unix:" + path_)->fd.reset();
  ASSERT_TRUE(std::filesystem::exists(path_));
  EXPECT_TRUE(bind_text("unix:" + path_));
}

TEST_F(BindUnixTest, ALiveSocketIsLeftAlone) {
  const auto live = bind_text("unix:" + path_);
  const auto second = bind_text("unix:" + path_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, EADDRINUSE);
  EXPECT_TRUE(accepts_unix(path_));
}

TEST_F(BindUnixTest, AFileThatIsNoSocketIsLeftAlone) {
  std::ofstream(path_) << "precious";
  EXPECT_FALSE(bind_text("unix:" + path_));
  EXPECT_EQ(std::filesystem::file_size(path_), 8U);
}

TEST_F(BindUnixTest, AFailureLeavesNoFileBehind) {
  const auto listener = bind_text("unix:" + path_ + ",user=no-such-user-here");
  ASSERT_FALSE(listener);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(BindUnixTest, AbstractNamesHaveNoFile) {
  const std::string name = "@holdfast-test-" + std::to_string(::getpid());
  const auto listener = bind_text("unix:" + name);
  ASSERT_TRUE(listener) << listener.error().message;
  EXPECT_TRUE(listener->path.empty());
  EXPECT_TRUE(accepts_unix(name));
}

TEST_F(BindUnixTest, OnlyTheOwnSocketIsUnlinked) {
  const auto first = bind_text("unix:" + path_);
  std::filesystem::remove(path_);
  const auto successor = bind_text("unix:" + path_);
  EXPECT_TRUE(unlink_own_socket(first->path, first->device, first->inode));
  EXPECT_TRUE(accepts_unix(path_));
  EXPECT_TRUE(unlink_own_socket(successor->path, successor->device, successor->inode));
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_TRUE(unlink_own_socket(successor->path, successor->device, successor->inode));
}

}  // namespace
}  // namespace holdfast
