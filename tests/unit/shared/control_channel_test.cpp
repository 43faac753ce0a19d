#include "shared/io/control_channel.hpp"

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "shared/io/channel_end.hpp"
#include "shared/io/fd_passing.hpp"
#include "tests/unit/shared/open_fds.hpp"

namespace holdfast {
namespace {

using namespace std::chrono_literals;

class ControlChannelTest : public testing::Test {
 protected:
  ControlChannelTest() {
    auto pair = seqpacket_pair().value();
    peer_ = std::make_unique<ChannelEnd>(std::move(pair.second));
    channel_ = std::make_unique<ControlChannel>(
        io_, std::move(pair.first),
        ControlChannel::Callbacks{[this](ControlMessage message, std::vector<UniqueFd> fds) {
                                    messages_.push_back(std::move(message));
                                    fds_ += fds.size();
                                    if (destroy_on_message_) channel_.reset();
                                  },
                                  [this](std::optional<Error> error) {
                                    ++closed_;
                                    error_ = std::move(error);
                                    if (destroy_on_close_) channel_.reset();
                                  }});
  }

  void run() {
    io_.restart();
    while (io_.run_one_for(20ms) != 0) {
    }
  }

  boost::asio::io_context io_;
  std::unique_ptr<ChannelEnd> peer_;
  std::unique_ptr<ControlChannel> channel_;
  std::vector<ControlMessage> messages_;
  std::size_t fds_ = 0;
  int closed_ = 0;
  std::optional<Error> error_;
  bool destroy_on_message_ = false;
  bool destroy_on_close_ = false;
};

TEST_F(ControlChannelTest, NoCallbackRunsBeforeTheIoContextDoes) {
  peer_->send(Ping{});
  EXPECT_TRUE(messages_.empty());
  run();
  EXPECT_EQ(messages_.size(), 1U);
}

TEST_F(ControlChannelTest, MessagesGoBothWays) {
  peer_->send(Ping{});
  peer_->send(ReopenLogs{{"access_log"}}, null_fds(1));
  channel_->send(Pong{});
  run();
  EXPECT_EQ(messages_, (std::vector<ControlMessage>{Ping{}, ReopenLogs{{"access_log"}}}));
  EXPECT_EQ(fds_, 1U);
  EXPECT_EQ(peer_->receive()->message, ControlMessage(Pong{}));
  EXPECT_EQ(closed_, 0);
}

TEST_F(ControlChannelTest, EofIsToldOnceWithoutAnError) {
  peer_->send(Drained{});
  peer_.reset();
  run();
  EXPECT_EQ(messages_.size(), 1U);
  EXPECT_EQ(closed_, 1);
  EXPECT_EQ(error_, std::nullopt);
  channel_->send(Ping{});
  run();
  EXPECT_EQ(closed_, 1);
}

TEST_F(ControlChannelTest, AProtocolErrorEndsTheChannel) {
  ASSERT_TRUE(send_datagram(peer_->fd(), "nonsense", {}).value());
  peer_->send(Ping{});
  run();
  EXPECT_TRUE(messages_.empty());
  EXPECT_EQ(closed_, 1);
  ASSERT_TRUE(error_);
  EXPECT_EQ(error_->message, "cannot read control message: it is not a JSON object");
}

TEST_F(ControlChannelTest, AMessageCallbackMayDestroyTheChannel) {
  destroy_on_message_ = true;
  const std::size_t before = open_fds();
  peer_->send(Ping{});
  peer_->send(Ping{});
  run();
  EXPECT_EQ(messages_.size(), 1U);
  EXPECT_EQ(closed_, 0);
  EXPECT_EQ(open_fds(), before - 1);
  EXPECT_EQ(peer_->receive()->kind, Received::Kind::Eof);
}

TEST_F(ControlChannelTest, ACloseCallbackMayDestroyTheChannel) {
  destroy_on_close_ = true;
  peer_.reset();
  run();
  EXPECT_EQ(closed_, 1);
}

TEST_F(ControlChannelTest, ADestroyedChannelCallsNobodyAndClosesItsEnd) {
  peer_->send(Ping{});
  channel_.reset();
  run();
  EXPECT_TRUE(messages_.empty());
  EXPECT_EQ(closed_, 0);
  EXPECT_EQ(peer_->receive()->kind, Received::Kind::Eof);
}

TEST_F(ControlChannelTest, WhatThePeerHasNoRoomForIsSentWhenItReads) {
  constexpr std::uint64_t kMessages = 3000;
  for (std::uint64_t i = 0; i < kMessages; ++i) channel_->send(Stats{i, 0, 0, 0, 0});
  std::uint64_t received = 0;
  for (int idle = 0; received < kMessages && idle < 100; ++idle) {
    run();
    for (;;) {
      const auto next = peer_->receive();
      ASSERT_TRUE(next);
      if (next->kind != Received::Kind::Message) break;
      ASSERT_EQ(next->message, ControlMessage(Stats{received, 0, 0, 0, 0}));
      ++received;
      idle = 0;
    }
  }
  EXPECT_EQ(received, kMessages);
}

TEST_F(ControlChannelTest, AnIoContextThatEndsFirstTakesNothingWithIt) {
  auto io = std::make_unique<boost::asio::io_context>();
  auto pair = seqpacket_pair().value();
  const std::size_t before = open_fds();
  {
    ControlChannel channel(
        *io, std::move(pair.first),
        {[](ControlMessage, std::vector<UniqueFd>) {}, [](std::optional<Error>) {}});
    io->poll();
  }
  io.reset();
  EXPECT_LT(open_fds(), before);
}

}  // namespace
}  // namespace holdfast
