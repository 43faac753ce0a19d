#include "shared/io/fd_passing.hpp"

#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "shared/core/control_message.hpp"
#include "tests/unit/shared/open_fds.hpp"

namespace holdfast {
namespace {

class FdPassingTest : public testing::Test {
 protected:
  Result<Datagram> receive() { return receive_datagram(pair_.second.get(), kMaxControlMessage); }

  bool send(std::string_view bytes, std::vector<int> fds = {}) {
    const auto sent = send_datagram(pair_.first.get(), bytes, fds);
    EXPECT_TRUE(sent) << sent.error().message;
    return sent && *sent;
  }

  std::pair<UniqueFd, UniqueFd> pair_ = seqpacket_pair().value();
};

std::vector<int> numbers(const std::vector<UniqueFd>& fds) {
  std::vector<int> plain;
  for (const UniqueFd& fd : fds) plain.push_back(fd.get());
  return plain;
}

TEST_F(FdPassingTest, DatagramsKeepTheirBoundsAndOrder) {
  send("one");
  send(std::string(kMaxControlMessage, 'x'));
  EXPECT_EQ(receive()->bytes, "one");
  EXPECT_EQ(receive()->bytes, std::string(kMaxControlMessage, 'x'));
  EXPECT_EQ(receive()->kind, Datagram::Kind::WouldBlock);
}

TEST_F(FdPassingTest, DescriptorsArriveCloexecAndNameTheSameFile) {
  auto pipe = output_pipe().value();
  send("fd", {pipe.second.get()});
  const auto datagram = receive();
  ASSERT_EQ(datagram->fds.size(), 1U);
  const int fd = datagram->fds.front().get();
  EXPECT_NE(fd, pipe.second.get());
  EXPECT_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
  struct stat ours {};
  struct stat theirs {};
  ::fstat(pipe.second.get(), &ours);
  ::fstat(fd, &theirs);
  EXPECT_EQ(ours.st_ino, theirs.st_ino);
}

TEST_F(FdPassingTest, AMessageCarriesUpTo253Descriptors) {
  const std::size_t before = open_fds();
  {
    const std::vector<UniqueFd> fds = null_fds(kMaxControlFds);
    send("many", numbers(fds));
    const auto datagram = receive();
    ASSERT_TRUE(datagram) << datagram.error().message;
    EXPECT_EQ(datagram->fds.size(), kMaxControlFds);
    EXPECT_EQ(open_fds(), before + 2 * kMaxControlFds);
  }
  EXPECT_EQ(open_fds(), before);
}

TEST_F(FdPassingTest, TheEndOfThePeerIsEof) {
  send("last");
  pair_.first.reset();
  EXPECT_EQ(receive()->bytes, "last");
  EXPECT_EQ(receive()->kind, Datagram::Kind::Eof);
  EXPECT_EQ(receive()->kind, Datagram::Kind::Eof);
}

TEST_F(FdPassingTest, WhatAPeerSaidBeforeItDiedIsNotLostWithItsUnreadMessages) {
  send("drained");
  ASSERT_TRUE(send_datagram(pair_.second.get(), "ping, never read", {}).value());
  pair_.first.reset();
  const auto last = receive();
  ASSERT_TRUE(last) << last.error().message;
  EXPECT_EQ(last->bytes, "drained");
  EXPECT_EQ(receive()->kind, Datagram::Kind::Eof);
}

TEST_F(FdPassingTest, SendingToAPeerThatIsGoneIsAnErrorWithoutASignal) {
  pair_.second.reset();
  const auto sent = send_datagram(pair_.first.get(), "x", {});
  ASSERT_FALSE(sent);
  EXPECT_EQ(sent.error().code, EPIPE);
}

TEST_F(FdPassingTest, AFullSocketRefusesWithoutBlocking) {
  const std::string bytes(kMaxControlMessage, 'x');
  int sent = 0;
  while (send(bytes)) ++sent;
  EXPECT_GT(sent, 0);
  for (int i = 0; i < sent; ++i) EXPECT_EQ(receive()->bytes.size(), bytes.size());
  EXPECT_TRUE(send(bytes));
}

TEST_F(FdPassingTest, ADatagramThatIsTooLongIsAnErrorAndItsDescriptorsAreClosed) {
  const std::vector<UniqueFd> fds = null_fds(3);
  send(std::string(kMaxControlMessage + 1, 'x'), numbers(fds));
  const std::size_t before = open_fds();
  EXPECT_EQ(receive().error().message, "cannot receive a message: it is too long");
  EXPECT_EQ(open_fds(), before);
}

TEST_F(FdPassingTest, DescriptorsThatDoNotFitAreAnErrorAndTheOthersAreClosed) {
  const std::vector<UniqueFd> fds = null_fds(5);
  send("five", numbers(fds));
  const std::size_t before = open_fds();
  for (const std::size_t room : {2U, 0U}) {
    if (room == 0) send("five", numbers(fds));
    const FdLimit limit(room);
    const auto datagram = receive();
    ASSERT_FALSE(datagram);
    EXPECT_EQ(
        datagram.error().message,
        "cannot receive a message: descriptors were lost; the limit of open files is too low");
  }
  EXPECT_EQ(open_fds(), before);
}

TEST_F(FdPassingTest, WhatTheCallerDoesNotTakeIsClosed) {
  const std::vector<UniqueFd> fds = null_fds(4);
  const std::size_t before = open_fds();
  send("four", numbers(fds));
  { EXPECT_EQ(receive()->fds.size(), 4U); }
  EXPECT_EQ(open_fds(), before);
}

TEST(SeqpacketPairTest, BothEndsAreCloexecAndNonblocking) {
  const auto pair = seqpacket_pair().value();
  for (const int fd : {pair.first.get(), pair.second.get()}) {
    EXPECT_EQ(::fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    EXPECT_EQ(::fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  }
}

TEST(OutputPipeTest, OnlyTheReadEndIsNonblocking) {
  const auto pipe = output_pipe().value();
  EXPECT_EQ(::fcntl(pipe.first.get(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(::fcntl(pipe.second.get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(::fcntl(pipe.second.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

}  // namespace
}  // namespace holdfast
