// One worker and a test that is its supervisor and the other worker of a handoff: what the other
// one says out of turn, wrongly or never costs the channel between the two, and no client anything.
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <gtest/gtest.h>

#include "shared/io/fd_passing.hpp"
#include "shared/io/syscall.hpp"
#include "tests/integration/played_supervisor.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/raw_client.hpp"
#include "tests/support/supervisor_run.hpp"
#include "worker/core/handoff_message.hpp"

namespace holdfast::testing {
namespace {

using namespace std::chrono_literals;
using namespace worker;

// Our end of a channel to the worker.
struct Link {
  UniqueFd fd;

  struct Heard {
    std::optional<HandoffMessage> message;  // nothing: the end
    std::vector<UniqueFd> fds;
  };
  Heard hear() {
    if (!wait_readable(fd.get(), kCap)) throw std::runtime_error("the worker says nothing");
    auto datagram = receive_datagram(fd.get(), 128 * 1024);
    if (!datagram) throw std::runtime_error(datagram.error().message);
    if (datagram->kind != Datagram::Kind::Data) return {};
    auto message = decode_handoff(datagram->bytes);
    if (!message) throw std::runtime_error(message.error().message);
    return {std::move(*message), std::move(datagram->fds)};
  }
  template <typename Message>
  Message hear_a(std::vector<UniqueFd>* fds = nullptr) {
    Heard heard = hear();
    if (!heard.message) throw std::runtime_error("the worker has left");
    if (fds != nullptr) *fds = std::move(heard.fds);
    return std::get<Message>(*heard.message);
  }
  bool say_raw(std::string_view bytes, const std::vector<int>& fds = {}) {
    const auto sent = send_datagram(fd.get(), bytes, fds);
    return sent && *sent;
  }
  bool say(const HandoffMessage& message, const std::vector<int>& fds = {}) {
    return say_raw(encode(message), fds);
  }
  bool ends() {
    for (;;) {
      if (!hear().message) return true;
    }
  }
};

class HandoffPeerTest : public PlayedSupervisorTest {
 protected:
  void SetUp() override {
    start_worker();
    Welcome welcome;
    welcome.options.idle_grace = Millis{300};
    let_it_accept(std::move(welcome), {"http"});
    address = addresses[0];
  }
  Link connect(Peer::Role role, std::uint64_t other) {
    auto pair = seqpacket_pair().value();
    std::vector<UniqueFd> fds;
    fds.push_back(std::move(pair.second));
    channel->send(Peer{role, WorkerId{other}, GenerationId{2}}, std::move(fds));
    return {std::move(pair.first)};
  }
  void drain(IdlePolicy idle = IdlePolicy::Handoff) {
    channel->send(Drain{.reason = DrainReason::Reload, .idle = idle});
  }
  std::unique_ptr<RawClient> idle_client() {
    auto client = std::make_unique<RawClient>(address);
    client->get("/");
    return client;
  }
  void expect_leaves() {
    wait_for<Drained>();
    EXPECT_EQ(worker->wait_exit(), exited(0));
  }

  std::string address;
};

// The worker gives
// ---------------------------------------------------------------------------------------------

class HandoffGiverTest : public HandoffPeerTest {
 protected:
  Link connect_taker(std::uint64_t id = 2) { return connect(Peer::Role::Give, id); }
};

TEST_F(HandoffGiverTest, AnOfferHoldsWhatTheNextOwnerNeedsAndNothingIsClosedByItsRelease) {
  const auto idle = idle_client();
  RawClient half(address);
  half.send("GET /half HTT");
  RawClient fresh(address);
  idle->get("/");  // all three are accepted, and read
  Link taker = connect_taker();
  drain();
  taker.say(OpenPeer{10});
  std::vector<UniqueFd> fds;
  const Offer offer = taker.hear_a<Offer>(&fds);
  EXPECT_EQ(offer.generation, 1U);
  ASSERT_EQ(offer.connections.size(), 3U);
  ASSERT_EQ(fds.size(), 3U);
  std::map<std::uint64_t, std::uint32_t> places;  // by their number: 1, 2, 3
  for (std::uint32_t i = 0; i < 3; ++i) places[offer.connections[i].id.number] = i;
  const CarriedConnection& first = offer.connections[places.at(1)];
  EXPECT_EQ(first.requests, 2U);
  EXPECT_FALSE(first.fresh);
  EXPECT_EQ(first.pending, "");
  EXPECT_EQ(first.peer.port, idle->local_port());
  EXPECT_TRUE(first.left) << "a connection without a deadline would live for ever";
  const CarriedConnection& second = offer.connections[places.at(2)];
  EXPECT_EQ(second.requests, 0U) << "the one that has begun is not counted";
  EXPECT_EQ(second.pending, "GET /half HTT");
  EXPECT_TRUE(offer.connections[places.at(3)].fresh);
  taker.say(AnswerOffer{offer.batch, {0, 1, 2}, 7});
  EXPECT_EQ(taker.hear_a<ReleaseOffer>().batch, offer.batch);
  EXPECT_EQ(wait_for<HandoffDone>().taken, 3U);
  expect_leaves();
  const std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
  for (const UniqueFd& fd : fds) {
    ASSERT_EQ(::send(fd.get(), answer.data(), answer.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(answer.size()));
  }
  for (RawClient* client : {idle.get(), &half, &fresh})
    EXPECT_EQ(client->read_response().body, "hi");
}

TEST_F(HandoffGiverTest, ATakerThatRefusesLeavesItsShareToTheOthers) {
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 2; ++i) clients.push_back(idle_client());
  Link refuses = connect_taker(2);
  Link takes = connect_taker(3);
  refuses.say(OpenPeer{10});
  takes.say(OpenPeer{10});
  drain();
  std::vector<UniqueFd> all;
  const auto take = [&] {
    std::vector<UniqueFd> fds;
    const Offer offer = takes.hear_a<Offer>(&fds);
    AnswerOffer answer{offer.batch, {}, 10};
    for (std::uint32_t i = 0; i < offer.connections.size(); ++i) answer.taken.push_back(i);
    takes.say(answer);
    takes.hear_a<ReleaseOffer>();
    for (UniqueFd& fd : fds) all.push_back(std::move(fd));
  };
  take();
  // Only now: its share of what there was is full, until the other one is seen to have left.
  const Offer offer = refuses.hear_a<Offer>();
  refuses.say(AnswerOffer{offer.batch, {}, 0});
  while (all.size() < clients.size()) take();
  expect_leaves();
}

TEST_F(HandoffGiverTest, ARequestThatCameWhileNobodyAnsweredIsServedBeforeTheNextOffer) {
  const auto client = idle_client();
  RawClient half(address);
  half.send("GET / HT");
  idle_client();
  Link silent = connect_taker(2);
  silent.say(OpenPeer{2});
  drain();
  ASSERT_EQ(silent.hear_a<Offer>().connections.size(), 2U);
  Link other = connect_taker(3);
  other.say(OpenPeer{2});
  client->send(get_request("/"));
  half.send("TP/1.1\r\nHost: test\r\n\r\n");
  EXPECT_EQ(client->read_response().pid(), worker->pid());
  EXPECT_EQ(half.read_response().pid(), worker->pid());
  std::vector<UniqueFd> fds;
  for (std::size_t moved = 0; moved < 2;) {
    const Offer offer = other.hear_a<Offer>(&fds);
    AnswerOffer answer{offer.batch, {}, 2};
    for (const CarriedConnection& carried : offer.connections) {
      EXPECT_EQ(carried.pending, "") << "it waited for another taker";
      EXPECT_EQ(carried.requests, carried.id.number == 1 ? 2U : 1U);
      answer.taken.push_back(static_cast<std::uint32_t>(answer.taken.size()));
    }
    moved += answer.taken.size();
    other.say(answer);
    other.hear_a<ReleaseOffer>();
  }
  expect_leaves();
}

// Their next requests are here already, so that they are offered without waiting in the queue.
TEST_F(HandoffGiverTest, ConnectionsThatNeverPauseAreSharedToo) {
  Link one = connect_taker(2);
  Link other = connect_taker(3);
  one.say(OpenPeer{10});
  other.say(OpenPeer{10});
  RawClient first(address);
  RawClient second(address);
  first.send(get_request("/?duration=400ms") + get_request("/first"));
  second.send(get_request("/?duration=800ms") + get_request("/second"));
  idle_client();  // both are read, and nothing but the order to drain comes before they are
                  // answered
  drain();
  std::vector<UniqueFd> fds;
  for (RawClient* client : {&first, &second}) {
    EXPECT_EQ(client->read_response().body, "Hello, world!");
    Link& taker = client == &first ? one : other;
    const Offer offer = taker.hear_a<Offer>(&fds);
    ASSERT_EQ(offer.connections.size(), 1U);
    EXPECT_EQ(offer.connections[0].pending.substr(0, 6), client == &first ? "GET /f" : "GET /s");
    taker.say(AnswerOffer{offer.batch, {0}, 9});
    taker.hear_a<ReleaseOffer>();
  }
  expect_leaves();
}

TEST_F(HandoffGiverTest, AConnectionThatIsRefusedAgainAndAgainIsClosedInOrder) {
  const auto client = idle_client();
  Link taker = connect_taker();
  taker.say(OpenPeer{10});
  drain();
  for (int i = 0; i < 3; ++i) {
    const Offer offer = taker.hear_a<Offer>();
    ASSERT_EQ(offer.connections.size(), 1U);
    taker.say(AnswerOffer{offer.batch, {}, 10});
  }
  const Response response = client->get("/");
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(client->wait_end(), End::Closed);
  expect_leaves();
}

TEST_F(HandoffGiverTest, ATakerThatNeverSpeaksIsGivenUpAndItsClientsAreServed) {
  const auto client = idle_client();
  const auto other = idle_client();
  Link taker = connect_taker();
  drain();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client->get("/").pid(), worker->pid());
  EXPECT_TRUE(taker.ends());
  EXPECT_EQ(other->wait_end(), End::Closed);
  EXPECT_EQ(client->wait_end(), End::Closed);
  expect_leaves();
}

TEST_F(HandoffGiverTest, ATakerThatGoesBetweenItsAnswerAndTheReleaseTakesNothingAlong) {
  const auto client = idle_client();
  {
    Link taker = connect_taker();
    taker.say(OpenPeer{10});
    ::kill(worker->pid(), SIGSTOP);
    drain();
    ::kill(worker->pid(), SIGCONT);
    const Offer offer = taker.hear_a<Offer>();
    ::kill(worker->pid(), SIGSTOP);
    ASSERT_TRUE(eventually([&] { return process_state(worker->pid()) == 'T'; }));
    taker.say(AnswerOffer{offer.batch, {0}, 9});
  }
  ::kill(worker->pid(), SIGCONT);
  EXPECT_EQ(client->get("/").pid(), worker->pid());
  EXPECT_EQ(client->wait_end(), End::Closed);
  expect_leaves();
}

// Each a taker's sin; "offer" stands for the batch that was offered.
class HandoffTakerSinTest : public HandoffGiverTest,
                            public ::testing::WithParamInterface<std::string> {};

TEST_P(HandoffTakerSinTest, ItCostsTheChannelAndNoClient) {
  const auto client = idle_client();
  const auto other = idle_client();
  Link taker = connect_taker();
  drain();
  taker.say(OpenPeer{10});
  taker.hear_a<Offer>();
  taker.say_raw(GetParam());
  EXPECT_TRUE(taker.ends());
  EXPECT_EQ(client->get("/").pid(), worker->pid());
  drain(IdlePolicy::Close);  // no need to wait for another taker
  EXPECT_EQ(client->wait_end(), End::Closed);
  EXPECT_EQ(other->wait_end(), End::Closed);
  expect_leaves();
}
INSTANTIATE_TEST_SUITE_P(
    Sins, HandoffTakerSinTest,
    ::testing::Values("hello", "{}\n", "[1]\n", std::string(4000, '\0'), std::string(40'000, '['),
                      R"({"type":"open","credit":10})"
                      "\n",  // twice
                      R"({"type":"answer","batch":1,"taken":[0,0],"credit":1})"
                      "\n",
                      R"({"type":"answer","batch":1,"taken":[2],"credit":1})"
                      "\n",
                      R"({"type":"answer","batch":1,"taken":[-1],"credit":1})"
                      "\n",
                      R"({"type":"answer","batch":2,"taken":[0],"credit":1})"
                      "\n",
                      R"({"type":"answer","batch":1,"taken":[0],"credit":1})"
                      "\nmore",
                      R"({"type":"release","batch":1})"
                      "\n",
                      R"({"type":"cancel","batch":1})"
                      "\n",
                      R"({"type":"offer","batch":1,"generation":9,"connections":[]})"
                      "\n"));

// The worker takes
// ---------------------------------------------------------------------------------------------

// A connection that the test holds both ends of, with a request on its way.
struct Pair {
  Pair() {
    const BoundListener listener = bind_listener(TcpAddress{"127.0.0.1", 0}).value();
    client = std::make_unique<RawClient>(listener.address);
    server = UniqueFd(::accept4(listener.fd.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    client->send(kRequest);
    EXPECT_TRUE(wait_readable(server.get(), kCap));
  }
  // What nobody has read.
  int unread() const {
    int bytes = 0;
    ::ioctl(server.get(), FIONREAD, &bytes);
    return bytes;
  }
  // It is open, and ours.
  void expect_untouched() {
    EXPECT_EQ(unread(), static_cast<int>(kRequest.size()));
    EXPECT_EQ(client->wait_end(0ms), End::StillOpen);
  }
  static inline const std::string kRequest = get_request("/");
  std::unique_ptr<RawClient> client;
  UniqueFd server;
};

class HandoffTakerTest : public HandoffPeerTest {
 protected:
  void SetUp() override {
    HandoffPeerTest::SetUp();
    bystander = idle_client();
    sockets = sockets_now();
  }
  std::size_t sockets_now() const { return open_fds(worker->pid()).size(); }
  Link connect_giver() {
    Link link = connect(Peer::Role::Take, 7);
    EXPECT_GT(link.hear_a<OpenPeer>().credit, 0U);
    return link;
  }
  static CarriedConnection carried(const std::string& listener = "http") {
    CarriedConnection c;
    c.id = {1, 7, 1};
    c.listener = listener;
    c.peer = {"127.0.0.1", 1};
    c.requests = 3;
    c.left = 10s;
    return c;
  }
  void expect_serves_on() {
    EXPECT_EQ(bystander->get("/").pid(), worker->pid());
    EXPECT_TRUE(eventually([&] { return sockets_now() <= sockets; }))
        << "descriptors are left: " << sockets_now() << ", once " << sockets;
  }
  std::unique_ptr<RawClient> bystander;
  std::size_t sockets = 0;
};

TEST_F(HandoffTakerTest, WhatIsHeldIsNotReadBeforeItsRelease) {
  Pair pair;
  {
    Link giver = connect_giver();
    giver.say(Offer{1, 1, {carried()}}, {pair.server.get()});
    EXPECT_EQ(giver.hear_a<AnswerOffer>().taken.size(), 1U);
    bystander->get("/");
    pair.expect_untouched();
    giver.say(CancelOffer{1});
    giver.say(Offer{2, 1, {carried()}}, {pair.server.get()});
    EXPECT_EQ(giver.hear_a<AnswerOffer>().taken.size(), 1U);
    pair.expect_untouched();
  }  // gone before the release
  expect_serves_on();
  pair.expect_untouched();
  Link giver = connect_giver();
  giver.say(Offer{1, 1, {carried()}}, {pair.server.get()});
  giver.hear_a<AnswerOffer>();
  giver.say(ReleaseOffer{1});
  EXPECT_EQ(pair.client->read_response().pid(), worker->pid());
}

TEST_F(HandoffTakerTest, ADrainWaitsForTheReleaseOfWhatIsHeld) {
  Pair pair;
  Pair refused;
  Link giver = connect_giver();
  giver.say(Offer{1, 1, {carried()}}, {pair.server.get()});
  giver.hear_a<AnswerOffer>();
  drain(IdlePolicy::Close);
  wait_for<Draining>();
  EXPECT_EQ(bystander->wait_end(), End::Closed);
  EXPECT_TRUE(is_alive(worker->pid()));
  giver.say(ReleaseOffer{1});
  pair.server.reset();
  EXPECT_EQ(pair.client->read_response().pid(), worker->pid());
  EXPECT_TRUE(giver.ends());
  EXPECT_FALSE(giver.say(Offer{2, 1, {carried()}}, {refused.server.get()}));
  EXPECT_EQ(pair.client->wait_end(), End::Closed);
  expect_leaves();
  refused.expect_untouched();
}

TEST_F(HandoffTakerTest, ADrainEndsWhenWhatIsHeldIsCancelledOrItsGiverDies) {
  Pair cancelled;
  Pair orphaned;
  Link first = connect_giver();
  Link second = connect_giver();
  first.say(Offer{1, 1, {carried()}}, {cancelled.server.get()});
  first.hear_a<AnswerOffer>();
  second.say(Offer{1, 1, {carried()}}, {orphaned.server.get()});
  second.hear_a<AnswerOffer>();
  drain(IdlePolicy::Close);
  wait_for<Draining>();
  first.say(CancelOffer{1});
  second.fd.reset();
  expect_leaves();
  cancelled.expect_untouched();
  orphaned.expect_untouched();
}

TEST_F(HandoffTakerTest, AListenerThatItDoesNotHaveIsRefused) {
  Pair pair;
  Pair good;
  Link giver = connect_giver();
  giver.say(Offer{1, 1, {carried("gone"), carried()}}, {pair.server.get(), good.server.get()});
  EXPECT_EQ(giver.hear_a<AnswerOffer>().taken, std::vector<std::uint32_t>{1});
  giver.say(ReleaseOffer{1});
  EXPECT_EQ(good.client->read_response().pid(), worker->pid());
  pair.expect_untouched();
}

TEST_F(HandoffTakerTest, ASecondOfferBeforeTheReleaseOfTheFirstIsHeldAgainstItsGiver) {
  Pair first;
  Pair second;
  Link giver = connect_giver();
  giver.say(Offer{1, 1, {carried()}}, {first.server.get()});
  giver.hear_a<AnswerOffer>();
  giver.say(Offer{2, 1, {carried()}}, {second.server.get()});
  EXPECT_TRUE(giver.ends());
  expect_serves_on();
  first.expect_untouched();
  second.expect_untouched();
}

TEST_F(HandoffTakerTest, DescriptorsThatAreNoConnectionsDoNoHarm) {
  const UniqueFd file = open_file("/dev/null", O_RDWR).value();
  const UniqueFd datagrams(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const UniqueFd unconnected(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  Link giver = connect_giver();
  CarriedConnection pending = carried();
  pending.pending = get_request("/");
  CarriedConnection hasty = carried();
  hasty.left = 0s;
  const std::vector<int> fds{file.get(),        datagrams.get(), unconnected.get(),
                             unconnected.get(), datagrams.get(), giver.fd.get()};
  giver.say(Offer{1, 1, {carried(), hasty, hasty, pending, pending, hasty}}, fds);
  EXPECT_EQ(giver.hear_a<AnswerOffer>().taken.size(), 6U);
  giver.say(ReleaseOffer{1});
  bystander->get("/");
  giver.fd.reset();
  EXPECT_EQ(bystander->get("/").pid(), worker->pid());
}

TEST_F(HandoffTakerTest, WhoTellsNonsenseIsNotListenedTo) {
  Pair pair;
  const int fd = pair.server.get();
  const std::string one = encode(Offer{1, 1, {carried()}});
  const std::vector<std::pair<std::string, std::vector<int>>> sins = {
      {"hello", {}},
      {"{}\n", {}},
      {std::string(90'000, 'x'), {}},
      {std::string(100'000, 'x'), {}},
      {one, {}},
      {one, {fd, fd}},
      {one + "bytes", {fd}},
      {encode(Offer{1, 1, {carried(), carried()}}), {fd}},
      {encode(Offer{1, 1, {}}), {fd}},
      {encode(OpenPeer{3}), {}},
      {encode(AnswerOffer{1, {0}, 3}), {}},
      {encode(ReleaseOffer{1}), {}},  // of nothing
      {encode(CancelOffer{1}), {fd}},
      {std::string(50, '\0'), {fd}},
  };
  for (const auto& [bytes, fds] : sins) {
    Link giver = connect_giver();
    ASSERT_TRUE(giver.say_raw(bytes, fds));
    EXPECT_TRUE(giver.ends()) << bytes.substr(0, 60);
    expect_serves_on();
    pair.expect_untouched();
  }
  EXPECT_EQ(bystander->get("/").pid(), worker->pid());
}

}  // namespace
}  // namespace holdfast::testing
