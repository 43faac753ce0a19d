#include "shared/io/channel_end.hpp"

#include <fcntl.h>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "shared/io/fd_passing.hpp"
#include "tests/unit/shared/open_fds.hpp"

namespace holdfast {
namespace {

class ChannelEndTest : public testing::Test {
 protected:
  ChannelEndTest() {
    auto pair = seqpacket_pair().value();
    raw_ = duplicate(pair.first.get()).value();
    near_ = std::make_unique<ChannelEnd>(std::move(pair.first));
    far_ = std::make_unique<ChannelEnd>(std::move(pair.second));
  }

  // Past the encoder, as a hostile or broken peer would.
  void send_raw(std::string_view bytes, const std::vector<UniqueFd>& fds = {}) {
    std::vector<int> numbers;
    for (const UniqueFd& fd : fds) numbers.push_back(fd.get());
    ASSERT_TRUE(send_datagram(raw_.get(), bytes, numbers).value());
  }

  UniqueFd raw_;
  std::unique_ptr<ChannelEnd> near_;
  std::unique_ptr<ChannelEnd> far_;
};

TEST_F(ChannelEndTest, MessagesArriveInOrderWithTheirDescriptors) {
  near_->send(Ping{});
  near_->send(ReopenLogs{{"access_log", "stderr"}}, null_fds(2));
  near_->send(Accept{});
  EXPECT_EQ(far_->receive()->message, ControlMessage(Ping{}));
  const auto reopen = far_->receive();
  EXPECT_EQ(reopen->message, ControlMessage(ReopenLogs{{"access_log", "stderr"}}));
  EXPECT_EQ(reopen->fds.size(), 2U);
  EXPECT_EQ(far_->receive()->message, ControlMessage(Accept{}));
  EXPECT_EQ(far_->receive()->kind, Received::Kind::WouldBlock);
}

TEST_F(ChannelEndTest, SentDescriptorsAreClosedHere) {
  const std::size_t before = open_fds();
  near_->send(ReopenLogs{{"access_log"}}, null_fds(1));
  EXPECT_EQ(open_fds(), before);
}

TEST_F(ChannelEndTest, AReceiverWithoutAFreeDescriptorMissesWhatMayBeMissedAndNothingElse) {
  const std::size_t before = open_fds();
  near_->send(ReopenLogs{{"access_log", "stderr"}}, null_fds(2));
  near_->send(Peer{}, null_fds(1));
  send_raw(R"({"type":"of a later version"})", null_fds(1));
  near_->send(Ping{});
  {
    const FdLimit limit(0);
    for (const std::string_view name : {"reopen_logs", "peer", "of a later version"}) {
      const auto torn = far_->receive();
      ASSERT_TRUE(torn) << torn.error().message;
      EXPECT_EQ(torn->kind, Received::Kind::Torn);
      EXPECT_EQ(type_name(torn->message), name);
      EXPECT_TRUE(torn->fds.empty());
    }
    EXPECT_EQ(far_->receive()->message, ControlMessage(Ping{}));
  }
  EXPECT_EQ(open_fds(), before);
  Welcome welcome;
  welcome.fds = {"access_log"};
  near_->send(welcome, null_fds(1));
  const FdLimit limit(0);
  EXPECT_EQ(far_->receive().error().message,
            "cannot receive a message: descriptors were lost; the limit of open files is too low");
}

TEST_F(ChannelEndTest, ASlowPeerGetsEverythingOnceItReads) {
  constexpr std::uint64_t kMessages = 3000;
  for (std::uint64_t i = 0; i < kMessages; ++i) {
    if (i % 100 == 0) {
      near_->send(ReopenLogs{{std::to_string(i)}}, null_fds(1));
    } else {
      near_->send(Stats{i, 0, 0, 0, 0});
    }
  }
  EXPECT_TRUE(near_->wants_write());
  for (std::uint64_t i = 0; i < kMessages; ++i) {
    auto received = far_->receive();
    ASSERT_TRUE(received);
    if (received->kind == Received::Kind::WouldBlock) {
      near_->flush();
      received = far_->receive();
    }
    ASSERT_EQ(received->kind, Received::Kind::Message) << i;
    if (i % 100 == 0) {
      ASSERT_EQ(received->fds.size(), 1U);
    } else {
      ASSERT_EQ(received->message, ControlMessage(Stats{i, 0, 0, 0, 0}));
    }
  }
  EXPECT_FALSE(near_->wants_write());
}

TEST_F(ChannelEndTest, SendingToAPeerThatIsGoneIsNoError) {
  far_.reset();
  near_->send(ReopenLogs{{"access_log"}}, null_fds(1));
  EXPECT_FALSE(near_->wants_write());
  EXPECT_EQ(near_->receive()->kind, Received::Kind::Eof);
}

TEST_F(ChannelEndTest, LastWordsOfAPeerThatDiedArrive) {
  near_->send(Ping{});
  far_->send(Drained{1, 0, 0, 0, 0});
  far_.reset();
  const auto received = near_->receive();
  ASSERT_TRUE(received) << received.error().message;
  EXPECT_EQ(received->message, ControlMessage(Drained{1, 0, 0, 0, 0}));
  EXPECT_EQ(near_->receive()->kind, Received::Kind::Eof);
}

TEST_F(ChannelEndTest, GarbageIsAnErrorAndItsDescriptorsAreClosed) {
  const std::vector<UniqueFd> fds = null_fds(3);
  const std::size_t before = open_fds();
  for (const std::string_view bytes : {"{", "\xff", R"({"type":"dance","required":true})"}) {
    send_raw(bytes, fds);
    EXPECT_FALSE(far_->receive()) << bytes;
    EXPECT_EQ(open_fds(), before);
  }
}

TEST_F(ChannelEndTest, TheWrongNumberOfDescriptorsIsAnErrorAndTheyAreClosed) {
  const std::vector<UniqueFd> fds = null_fds(3);
  const std::size_t before = open_fds();
  for (
      const std::string_view bytes :
      {R"({"type":"ready"})", R"({"type":"reopen_logs","fds":["a","b"]})",
       R"({"type":"reopen_logs","fds":["a","b","c","d"]})",
       R"({"type":"welcome","listeners":[{"name":"http","address":":1"}],"fds":["access_log"]})"}) {
    send_raw(bytes, fds);
    const auto received = far_->receive();
    ASSERT_FALSE(received) << bytes;
    EXPECT_TRUE(received.error().message.ends_with("came with the wrong number of descriptors"));
    EXPECT_EQ(open_fds(), before);
  }
  send_raw(R"({"type":"reopen_logs","fds":["a"]})");
  EXPECT_FALSE(far_->receive());
}

TEST_F(ChannelEndTest, DescriptorsOfAnUnknownMessageAreClosedNotRefused) {
  const std::vector<UniqueFd> fds = null_fds(3);
  const std::size_t before = open_fds();
  send_raw(R"({"type":"dance"})", fds);
  const auto received = far_->receive();
  ASSERT_TRUE(received);
  EXPECT_EQ(received->message, ControlMessage(Unknown{"dance"}));
  EXPECT_TRUE(received->fds.empty());
  EXPECT_EQ(open_fds(), before);
}

}  // namespace
}  // namespace holdfast
