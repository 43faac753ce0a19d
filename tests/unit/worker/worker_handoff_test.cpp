// The handoff of a service with a server of its own: a Worker against a supervisor and another
// worker that this test plays, over real channels.
#include <cstdlib>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "holdfast/worker/worker.hpp"
#include "shared/io/bind_listener.hpp"
#include "shared/io/channel_end.hpp"
#include "shared/io/fd_passing.hpp"
#include "shared/io/syscall.hpp"
#include "worker/core/handoff_message.hpp"

namespace holdfast::worker {
namespace {

using namespace std::chrono_literals;

class WorkerHandoffTest : public ::testing::Test {
 protected:
  WorkerHandoffTest() {
    auto pair = seqpacket_pair().value();
    supervisor_ = std::make_unique<ChannelEnd>(std::move(pair.second));
    ::setenv("HOLDFAST_CHANNEL_FD", std::to_string(pair.first.release()).c_str(), 1);
    bound_ = bind_listener(parse_listen_address("127.0.0.1:0").value()).value();
  }
  ~WorkerHandoffTest() override { ::unsetenv("HOLDFAST_CHANNEL_FD"); }

  Worker& serving(WorkerSettings settings = {.handoff = true}) {
    Welcome message;
    message.generation = GenerationId{3};
    message.worker = WorkerId{7};
    message.listeners = {{"api", bound_.address}};
    std::vector<UniqueFd> fds;
    fds.push_back(duplicate(bound_.fd.get()).value());
    supervisor_->send(message, std::move(fds));
    worker_ = std::make_unique<Worker>(std::move(settings));
    worker_->on_close_listeners([this](bool) { ::close(worker_->listeners().front().fd); });
    worker_->on_connection([this](TakenConnection connection) {
      opened_.push_back(worker_->connections().open(connection));
      taken_.push_back(std::move(connection));
    });
    worker_->ready();
    turn();
    supervisor_->send(Accept{});
    turn();
    return *worker_;
  }

  // A connection of the worker's, and its client.
  void accept() {
    client_ = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in name{};
    socklen_t size = sizeof name;
    auto* generic = reinterpret_cast<sockaddr*>(&name);
    ASSERT_EQ(::getsockname(bound_.fd.get(), generic, &size), 0);
    ASSERT_EQ(::connect(client_.get(), generic, size), 0);
    server_ = UniqueFd(Worker::accept(bound_.fd.get()));
    connection_ = worker_->connections().open(server_.get());
  }

  void meet(Peer::Role role) {
    auto pair = seqpacket_pair().value();
    std::vector<UniqueFd> fds;
    fds.push_back(std::move(pair.first));
    peer_ = std::move(pair.second);
    supervisor_->send(Peer{role, WorkerId{8}, GenerationId{4}}, std::move(fds));
    turn();
  }
  void drain(IdlePolicy idle = IdlePolicy::Handoff, Millis deadline = Millis{60'000}) {
    supervisor_->send(Drain{DrainReason::Reload, deadline, idle});
    turn();
  }

  // As a poll loop does, until nothing is left to do.
  void turn() {
    pollfd wait{worker_->fd(), POLLIN, 0};
    while (::poll(&wait, 1, 0) > 0 && worker_->dispatch()) {
    }
  }
  void turn_until(const std::function<bool()>& done) {
    const auto give_up = std::chrono::steady_clock::now() + 10s;
    while (!done()) {
      ASSERT_LT(std::chrono::steady_clock::now(), give_up);
      pollfd wait{worker_->fd(), POLLIN, 0};
      if (::poll(&wait, 1, 1'000) > 0) worker_->dispatch();
    }
  }

  void say(const HandoffMessage& message, std::span<const int> fds = {}) {
    ASSERT_TRUE(send_datagram(peer_.get(), encode(message), fds).value());
    turn();
  }
  template <typename Message>
  Message hear(std::vector<UniqueFd>* fds = nullptr) {
    auto datagram = receive_datagram(peer_.get(), 2 * kMaxOfferBytes).value();
    EXPECT_EQ(datagram.kind, Datagram::Kind::Data);
    if (fds != nullptr) *fds = std::move(datagram.fds);
    return std::get<Message>(decode_handoff(datagram.bytes).value());
  }
  // Up to the offer.
  Offer give(std::string_view pending, std::string_view state, std::vector<UniqueFd>& fds) {
    meet(Peer::Role::Give);
    say(OpenPeer{10});
    drain();
    EXPECT_TRUE(connection_.hand_off(pending, state));
    server_.reset();
    turn();
    return hear<Offer>(&fds);
  }

  template <typename Message>
  std::optional<Message> said() {
    for (;;) {
      auto received = supervisor_->receive();
      if (!received || received->kind != Received::Kind::Message) break;
      said_.push_back(received->message);
    }
    for (auto each = said_.rbegin(); each != said_.rend(); ++each) {
      if (const auto* found = std::get_if<Message>(&*each)) return *found;
    }
    return std::nullopt;
  }

  // Bytes or the end, which the kernel may bring a moment later.
  bool client_sees_something() const {
    pollfd wait{client_.get(), POLLIN, 0};
    return ::poll(&wait, 1, 5'000) == 1;
  }
  // The client's end: open, and with nothing to read.
  bool client_sees_nothing() const {
    char byte = 0;
    return ::recv(client_.get(), &byte, 1, MSG_DONTWAIT) < 0 && errno == EAGAIN;
  }

  BoundListener bound_;
  std::unique_ptr<ChannelEnd> supervisor_;
  std::unique_ptr<Worker> worker_;
  UniqueFd peer_;
  UniqueFd client_;
  UniqueFd server_;
  Worker::Connection connection_;
  std::vector<Worker::Connection> opened_;
  std::vector<TakenConnection> taken_;
  std::vector<ControlMessage> said_;
};

TEST_F(WorkerHandoffTest, AServiceThatDoesNotAskForItSaysNothingOfHandoff) {
  serving(WorkerSettings{});
  EXPECT_FALSE(said<Hello>()->handoff);
}

TEST_F(WorkerHandoffTest, WhatIsHandedOffIsOfferedAndWhenTakenNobodysHere) {
  serving();
  EXPECT_TRUE(said<Hello>()->handoff);
  accept();
  connection_.active();
  connection_.idle();
  std::vector<UniqueFd> fds;
  const Offer offer = give("GET ", "mine", fds);
  ASSERT_EQ(offer.connections.size(), 1U);
  EXPECT_EQ(offer.generation, 3U);
  const CarriedConnection& carried = offer.connections[0];
  EXPECT_EQ(carried.listener, "api");
  EXPECT_EQ(carried.peer.ip, "127.0.0.1");
  EXPECT_EQ(carried.requests, 1U);
  EXPECT_FALSE(carried.fresh);
  EXPECT_EQ(carried.pending, "GET ");
  EXPECT_EQ(carried.state, "mine");
  EXPECT_FALSE(said<Drained>()) << "it is still ours";
  say(AnswerOffer{1, {0}, 9});
  EXPECT_EQ(hear<ReleaseOffer>().batch, 1U);
  EXPECT_EQ(worker_->wait(), 0);
  EXPECT_EQ(said<Drained>()->handed_off, 1U);
  EXPECT_EQ(said<Drained>()->closed_idle, 0U);
  EXPECT_EQ(said<HandoffDone>()->taken, 1U);
  EXPECT_TRUE(client_sees_nothing());
  ASSERT_EQ(::send(fds.at(0).get(), "x", 1, 0), 1);
  EXPECT_TRUE(client_sees_something()) << "the next owner speaks";
}

TEST_F(WorkerHandoffTest, OneThatWasActiveWithAPartOfAHeadHasNotHadThatRequest) {
  serving();
  accept();
  connection_.active();
  std::vector<UniqueFd> fds;
  const Offer offer = give("GE", "", fds);
  EXPECT_EQ(offer.connections.at(0).requests, 0U);
  EXPECT_FALSE(offer.connections.at(0).fresh);
}

TEST_F(WorkerHandoffTest, ConnectionsThatMoveAreNotToldToCloseAndOthersAre) {
  Worker& worker = serving();
  accept();
  const Worker::Connection unknown = worker.connections().open();
  EXPECT_FALSE(connection_.should_move());
  EXPECT_FALSE(connection_.hand_off()) << "before the drain";
  meet(Peer::Role::Give);
  drain();
  EXPECT_TRUE(connection_.should_move());
  EXPECT_FALSE(connection_.should_close());
  EXPECT_FALSE(unknown.should_move()) << "its descriptor is not known";
  EXPECT_TRUE(unknown.should_close());
  EXPECT_FALSE(connection_.hand_off(std::string(kMaxPending + 1, 'x')));
  EXPECT_FALSE(connection_.hand_off("", std::string(kMaxCarriedState + 1, 'x')));
  EXPECT_TRUE(connection_.should_move()) << "nothing has happened";
}

TEST_F(WorkerHandoffTest, OneThatWasToldToLeaveDoesNotMove) {
  Worker& worker = serving({.handoff = true, .idle_grace = 0ms, .idle_spread = 0ms});
  accept();
  connection_.active();
  connection_.idle();
  drain(IdlePolicy::Close);
  turn_until([&] { return worker.connections().counts().closed_idle == 1; });
  worker.connections().hand_off_by([](const TakenConnection&) { return true; });
  EXPECT_FALSE(connection_.should_move());
  EXPECT_FALSE(connection_.hand_off());
}

TEST_F(WorkerHandoffTest, AGraceOfNothingLeavesTheServiceTimeToGiveItsConnections) {
  Worker& worker = serving({.handoff = true, .new_grace = 0ms, .idle_grace = 0ms});
  accept();
  meet(Peer::Role::Give);
  drain();
  EXPECT_TRUE(connection_.should_move());
  peer_.reset();  // and when nobody takes them any more it is over at once
  turn_until([&] { return worker.connections().counts().closed_idle == 1; });
}

TEST_F(WorkerHandoffTest, ADrainWithoutATakerOrWithAnotherPolicyMovesNothing) {
  serving();
  accept();
  drain();
  EXPECT_FALSE(connection_.should_move());
  EXPECT_TRUE(connection_.should_close());
  EXPECT_FALSE(connection_.hand_off());
}

TEST_F(WorkerHandoffTest, WhatNobodyTakesComesBackAndLeavesAsInAnyOtherDrain) {
  serving();
  accept();
  std::vector<UniqueFd> fds;
  give("GET ", "mine", fds);
  peer_.reset();
  turn_until([&] { return !taken_.empty(); });
  const TakenConnection& back = taken_.front();
  EXPECT_TRUE(back.returned);
  EXPECT_EQ(back.pending, "GET ");
  EXPECT_EQ(back.state, "mine");
  EXPECT_FALSE(opened_.front().should_move());
  EXPECT_TRUE(opened_.front().should_close());
  EXPECT_FALSE(opened_.front().hand_off());
  ASSERT_EQ(::send(back.fd, "x", 1, 0), 1);
  EXPECT_TRUE(client_sees_something());
  EXPECT_FALSE(said<Drained>());
  opened_.clear();
  EXPECT_EQ(worker_->wait(), 0);
  EXPECT_EQ(said<Drained>()->handed_off, 0U);
  ::close(taken_.front().fd);
}

TEST_F(WorkerHandoffTest, AFullStopRecallsWhatIsOfferedAndWhatWaits) {
  Worker& worker = serving();
  accept();
  UniqueFd second(::dup(server_.get()));
  Worker::Connection waits = worker.connections().open(second.get());
  std::vector<UniqueFd> fds;
  give("", "offered", fds);
  EXPECT_TRUE(waits.hand_off("", "waits"));
  turn();
  supervisor_->send(Drain{DrainReason::Shutdown, Millis{60'000}, IdlePolicy::Close});
  turn();
  ASSERT_EQ(taken_.size(), 2U);
  for (const TakenConnection& each : taken_) EXPECT_TRUE(each.returned);
  EXPECT_TRUE(opened_[0].should_close());
  EXPECT_EQ(hear<CancelOffer>().batch, 1U);
  for (const TakenConnection& each : taken_) ::close(each.fd);
}

TEST_F(WorkerHandoffTest, TheDeadlineStrikesWhatIsOfferedToo) {
  serving();
  accept();
  std::vector<UniqueFd> fds;
  meet(Peer::Role::Give);
  say(OpenPeer{10});
  drain(IdlePolicy::Handoff, Millis{100});
  ASSERT_TRUE(connection_.hand_off());
  worker_->on_connection([&](const TakenConnection& connection) {
    opened_.push_back(worker_->connections().open(connection));
    taken_.push_back(connection);
  });
  EXPECT_EQ(worker_->wait(), 0);
  EXPECT_EQ(taken_.size(), 1U);
  EXPECT_EQ(said<Drained>()->closed_idle, 1U);
  EXPECT_EQ(said<Drained>()->cut, 0U);
  EXPECT_TRUE(client_sees_something());
}

TEST_F(WorkerHandoffTest, WhatAnOlderWorkerReleasesIsTheServices) {
  serving();
  accept();
  connection_.closed();  // it plays one of another worker's
  meet(Peer::Role::Take);
  EXPECT_GT(hear<OpenPeer>().credit, 0U);
  CarriedConnection carried;
  carried.listener = "api";
  carried.peer = {"192.0.2.1", 4711};
  carried.requests = 5;
  carried.age = 10s;
  carried.pending = "GET / HT";
  carried.state = "mine";
  CarriedConnection unknown = carried;
  unknown.listener = "gone";
  const int fds[] = {server_.get(), server_.get()};
  say(Offer{1, 2, {unknown, carried}}, fds);
  EXPECT_EQ(hear<AnswerOffer>().taken, std::vector<std::uint32_t>{1});
  EXPECT_TRUE(taken_.empty()) << "it is not released";
  say(ReleaseOffer{1});
  ASSERT_EQ(taken_.size(), 1U);
  const TakenConnection& taken = taken_.front();
  EXPECT_EQ(taken.listener, "api");
  EXPECT_EQ(taken.remote_address, "192.0.2.1");
  EXPECT_EQ(taken.remote_port, 4711);
  EXPECT_EQ(taken.requests, 5U);
  EXPECT_EQ(taken.pending, "GET / HT");
  EXPECT_EQ(taken.state, "mine");
  EXPECT_FALSE(taken.returned);
  EXPECT_GE(std::chrono::steady_clock::now() - taken.accepted, 10s);
  EXPECT_EQ(worker_->connections().counts().connections, 1U);
  ::close(taken.fd);
}

TEST_F(WorkerHandoffTest, WithoutACallbackNothingIsTaken) {
  serving();
  worker_->on_connection(nullptr);
  accept();
  meet(Peer::Role::Take);
  hear<OpenPeer>();
  CarriedConnection carried;
  carried.listener = "api";
  const int fds[] = {server_.get()};
  say(Offer{1, 2, {carried}}, fds);
  EXPECT_TRUE(hear<AnswerOffer>().taken.empty());
}

}  // namespace
}  // namespace holdfast::worker
