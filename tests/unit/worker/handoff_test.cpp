// Both ends of a handoff, put together: every interleaving of what either can do or suffer, and the
// one law that matters: a connection has exactly one owner, and is lost only with it.
#include <algorithm>
#include <deque>
#include <limits>
#include <optional>
#include <set>
#include <sstream>

#include <gtest/gtest.h>

#include "shared/core/overloaded.hpp"
#include "worker/core/handoff_giver.hpp"
#include "worker/core/handoff_share.hpp"
#include "worker/core/handoff_taker.hpp"

namespace holdfast::worker {
namespace {

constexpr std::uint32_t kConnections = 4;
constexpr std::size_t kBatch = 2;
constexpr std::uint64_t kMostBatches = 5;  // refused offers may be repeated for ever

// Two workers and the channel between them. What is sent is in the other's queue at once, as with
// AF_UNIX sockets; what is queued can still be read after the sender is gone.
struct World {
  HandoffGiver giver;
  HandoffTaker taker;
  std::deque<HandoffMessage> to_taker;
  std::deque<HandoffMessage> to_giver;
  std::set<std::uint32_t> waiting;     // the giver's, in no offer
  std::set<std::uint32_t> let_go;      // not the giver's any more
  std::vector<std::uint32_t> offered;  // by their place in the offer
  std::vector<std::uint32_t> held;     // the taker's copies
  std::set<std::uint32_t> adopted;
  std::set<std::uint32_t> lost;  // their owner was killed
  bool giver_lives = true, taker_lives = true;
  bool giver_open = true, taker_open = true;  // their ends of the channel
  bool greeted = false;

  bool giver_owns(std::uint32_t connection) const {
    if (!giver_lives) return false;
    if (let_go.contains(connection)) return false;
    return waiting.contains(connection) ||
           std::find(offered.begin(), offered.end(), connection) != offered.end();
  }
  bool release_is_queued() const {
    for (const HandoffMessage& message : to_taker) {
      if (const auto* release = std::get_if<ReleaseOffer>(&message);
          release != nullptr && release->batch == taker.batch)
        return true;
    }
    return false;
  }
  bool taker_owns(std::uint32_t connection) const {
    if (!taker_lives) return false;
    if (adopted.contains(connection)) return true;
    return std::find(held.begin(), held.end(), connection) != held.end() && release_is_queued();
  }

  std::string key() const {
    std::ostringstream out;
    out << int(giver.state) << giver.credit << ',' << giver.batch << ',' << giver.offered << '|'
        << int(taker.state) << taker.leaving << taker.batch << ',' << taker.held << '|';
    for (const auto& m : to_taker) out << encode(m);
    out << '|';
    for (const auto& m : to_giver) out << encode(m);
    out << '|';
    for (auto c : giver.taken) out << c;
    out << '/';
    for (auto c : waiting) out << c;
    out << '/';
    for (auto c : let_go) out << c;
    out << '/';
    for (auto c : offered) out << c;
    out << '/';
    for (auto c : held) out << c;
    out << '/';
    for (auto c : adopted) out << c;
    out << '/';
    for (auto c : lost) out << c;
    out << '|' << giver_lives << taker_lives << giver_open << taker_open << greeted;
    return out.str();
  }

  // The giver's side ---------------------------------------------------------------------------
  void feed_giver(const GiverEvent& event, bool release_fails = false) {
    auto [next, actions] = step(std::move(giver), event);
    giver = std::move(next);
    std::optional<GiverEvent> follow;
    for (const GiverAction& action : actions) {
      std::visit(overloaded{
                     [&](const SendRelease&) {
                       if (!release_fails && send_to_taker(ReleaseOffer{giver.batch})) {
                         follow = ReleaseSent{};
                       } else {
                         follow = ReleaseNotSent{};
                       }
                     },
                     [&](const SendCancel&) { send_to_taker(CancelOffer{giver.batch}); },
                     [&](const KeepConnection& keep) { waiting.insert(offered.at(keep.place)); },
                     [&](const LetGo& let) { let_go.insert(offered.at(let.place)); },
                     [&](const LeavePeer&) { giver_open = false; },
                 },
                 action);
    }
    if (follow) feed_giver(*follow);
    if (giver.state == HandoffGiver::State::Ready || !giver.open()) offered.clear();
  }
  bool send_to_taker(HandoffMessage message) {
    if (!taker_lives || !taker_open) return false;
    to_taker.push_back(std::move(message));
    return true;
  }
  void offer(std::size_t count) {
    Offer made{giver.batch + 1, 1, {}};
    while (offered.size() < count) {
      const std::uint32_t connection = *waiting.begin();
      waiting.erase(waiting.begin());
      offered.push_back(connection);
      made.connections.emplace_back();
      made.connections.back().id.number = connection;
    }
    feed_giver(OfferSent{static_cast<std::uint32_t>(count)});
    // Where the peer is gone the kernel refuses it.
    if (!send_to_taker(made)) feed_giver(OfferNotSent{});
  }

  // The taker's side ---------------------------------------------------------------------------
  void feed_taker(const TakerEvent& event) {
    auto [next, actions] = step(taker, event);
    taker = next;
    for (const TakerAction& action : actions) {
      std::visit(overloaded{
                     [&](const SendAnswer& send) {
                       if (giver_lives && giver_open) to_giver.push_back(send.answer);
                     },
                     [&](const Adopt&) {
                       for (const std::uint32_t each : held) adopted.insert(each);
                       held.clear();
                     },
                     [&](const DropHeld&) { held.clear(); },
                     [&](const LeaveGiver&) {
                       taker_open = false;
                       to_taker.clear();
                     },
                 },
                 action);
    }
  }
  void read_offer(const std::vector<std::uint32_t>& acceptable, std::size_t credit, bool torn) {
    const Offer came = std::get<Offer>(to_taker.front());
    to_taker.pop_front();
    std::vector<std::uint32_t> copies;
    for (const std::uint32_t place : acceptable)
      copies.push_back(static_cast<std::uint32_t>(came.connections.at(place).id.number));
    held = copies;
    if (torn) return feed_taker(OfferCameTorn{came.batch});
    feed_taker(OfferCame{came.batch, acceptable, credit});
  }
  void read_rest() {
    const HandoffMessage message = to_taker.front();
    to_taker.pop_front();
    if (const auto* release = std::get_if<ReleaseOffer>(&message))
      feed_taker(ReleaseCame{release->batch});
    if (const auto* cancel = std::get_if<CancelOffer>(&message))
      feed_taker(CancelCame{cancel->batch});
  }
};

// Explores everything that can happen from a world on, once.
class Explorer {
 public:
  void visit(const World& world) {
    if (!seen_.insert(world.key()).second) return;
    check(world);
    if (::testing::Test::HasFailure()) return;
    if (world.giver_lives) giver_moves(world);
    if (world.taker_lives) taker_moves(world);
  }
  std::size_t worlds() const { return seen_.size(); }
  std::size_t calm() const { return calm_; }

 private:
  void check(const World& world) {
    for (std::uint32_t c = 0; c < kConnections; ++c) {
      const int owners = world.giver_owns(c) + world.taker_owns(c) + world.lost.contains(c);
      ASSERT_EQ(owners, 1) << "connection " << c << " in " << world.key();
    }
    if (world.adopted.size() == kConnections) ++calm_;
  }
  template <typename Change>
  void then(const World& world, Change change) {
    if (::testing::Test::HasFailure()) return;
    World next = world;
    change(next);
    visit(next);
  }

  void giver_moves(const World& world) {
    then(world, [](World& w) {
      for (std::uint32_t c = 0; c < kConnections; ++c) {
        if (w.giver_owns(c)) w.lost.insert(c);
      }
      w.giver_lives = w.giver_open = false;
      w.waiting.clear();
      w.offered.clear();
      w.to_giver.clear();
    });
    if (!world.giver_open) return;
    then(world, [](World& w) { w.feed_giver(Recalled{}); });
    then(world, [](World& w) { w.feed_giver(AnswerIsLate{}); });
    if (world.giver.state == HandoffGiver::State::Ready && world.giver.batch < kMostBatches) {
      const std::size_t most = std::min({kBatch, world.waiting.size(), world.giver.credit});
      for (std::size_t count = 1; count <= most; ++count)
        then(world, [count](World& w) { w.offer(count); });
      if (most != 0) {
        then(world, [](World& w) {  // ETOOMANYREFS
          w.offered.push_back(*w.waiting.begin());
          w.waiting.erase(w.waiting.begin());
          w.feed_giver(OfferSent{1});
          w.feed_giver(OfferNotSent{});
        });
      }
    }
    if (!world.to_giver.empty()) {
      for (const bool fails : {false, true}) {
        then(world, [fails](World& w) {
          const HandoffMessage message = w.to_giver.front();
          w.to_giver.pop_front();
          w.feed_giver(PeerSaid{message}, fails);
        });
      }
    } else if (!world.taker_open) {
      then(world, [](World& w) { w.feed_giver(PeerLost{}); });
    }
  }

  void taker_moves(const World& world) {
    then(world, [](World& w) {
      for (std::uint32_t c = 0; c < kConnections; ++c) {
        if (w.taker_owns(c)) w.lost.insert(c);
      }
      w.taker_lives = w.taker_open = false;
      w.adopted.clear();
      w.held.clear();
      w.to_taker.clear();
    });
    if (!world.taker_open) return;
    if (!world.taker.leaving) then(world, [](World& w) { w.feed_taker(DrainBegan{}); });
    if (!world.greeted) {
      for (const std::size_t credit : {0UL, 2UL}) {
        then(world, [credit](World& w) {
          w.greeted = true;
          if (w.giver_open) w.to_giver.push_back(OpenPeer{credit});
        });
      }
      return;
    }
    if (world.to_taker.empty()) {
      if (!world.giver_open) then(world, [](World& w) { w.feed_taker(GiverLost{}); });
      return;
    }
    const auto* offer = std::get_if<Offer>(&world.to_taker.front());
    if (offer == nullptr) return then(world, [](World& w) { w.read_rest(); });
    std::vector<std::vector<std::uint32_t>> choices{{}, {0}};
    if (offer->connections.size() == 2) choices.insert(choices.end(), {{1}, {0, 1}, {1, 0}});
    for (const auto& acceptable : choices) {
      for (const std::size_t credit : {0UL, 2UL})
        then(world, [&](World& w) { w.read_offer(acceptable, credit, false); });
    }
    then(world, [](World& w) { w.read_offer({0}, 0, true); });
  }

  std::set<std::string> seen_;
  std::size_t calm_ = 0;
};

TEST(HandoffTest, EveryInterleavingLeavesAConnectionExactlyOneOwner) {
  World world;
  for (std::uint32_t c = 0; c < kConnections; ++c) world.waiting.insert(c);
  Explorer explorer;
  explorer.visit(world);
  EXPECT_GT(explorer.worlds(), 10'000U);
  EXPECT_GT(explorer.calm(), 0U) << "all of them were handed off in some";
  std::printf("%zu worlds\n", explorer.worlds());
}

HandoffGiver ready(std::size_t credit = 100) {
  return step(HandoffGiver{}, PeerSaid{OpenPeer{credit}}).next;
}
HandoffGiver offered(std::uint32_t connections) {
  return step(ready(), OfferSent{connections}).next;
}
template <typename Wanted, typename Actions>
std::size_t count(const Actions& actions) {
  std::size_t n = 0;
  for (const auto& action : actions) n += std::holds_alternative<Wanted>(action);
  return n;
}

TEST(HandoffTest, WhatWasNotTakenStaysAndWhatWasTakenGoesOnlyWithTheRelease) {
  auto [answered, first] = step(offered(3), PeerSaid{AnswerOffer{1, {0, 2}, 5}});
  EXPECT_EQ(count<KeepConnection>(first), 1U);
  EXPECT_EQ(count<LetGo>(first), 0U);
  EXPECT_EQ(count<SendRelease>(first), 1U);
  const auto [rested, second] = step(answered, ReleaseSent{});
  EXPECT_EQ(count<LetGo>(second), 2U);
  EXPECT_EQ(rested.state, HandoffGiver::State::Ready);
  EXPECT_EQ(rested.credit, 5U);
}

TEST(HandoffTest, AGiverKeepsAllWhenItsPeerLies) {
  for (const HandoffMessage& lie :
       std::vector<HandoffMessage>{AnswerOffer{2, {0}, 1}, AnswerOffer{1, {3}, 1},
                                   AnswerOffer{1, {0, 0}, 1}, OpenPeer{4}, ReleaseOffer{1}}) {
    const auto [next, actions] = step(offered(3), PeerSaid{lie});
    EXPECT_FALSE(next.open()) << encode(lie);
    EXPECT_EQ(count<KeepConnection>(actions), 3U) << encode(lie);
    EXPECT_EQ(count<LetGo>(actions), 0U) << encode(lie);
  }
}

TEST(HandoffTest, AnOfferThatIsNotAnsweredInTimeIsTakenBack) {
  const auto [next, actions] = step(offered(2), AnswerIsLate{});
  EXPECT_EQ(count<KeepConnection>(actions), 2U);
  EXPECT_FALSE(next.open());
}

TEST(HandoffTest, ATakerWithoutRoomIsLeftAlone) {
  EXPECT_FALSE(ready(0).open());
  const HandoffGiver full =
      step(step(offered(1), PeerSaid{AnswerOffer{1, {0}, 0}}).next, ReleaseSent{}).next;
  EXPECT_FALSE(full.open());
}

TEST(HandoffTest, ADrainingTakerWaitsForWhatItHolds) {
  const HandoffTaker holding = step(HandoffTaker{}, OfferCame{1, {0}, 5}).next;
  const auto [leaving, none] = step(holding, DrainBegan{});
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(leaving.held, 1U);
  const auto [left, actions] = step(leaving, ReleaseCame{1});
  EXPECT_EQ(count<Adopt>(actions), 1U);
  EXPECT_EQ(count<LeaveGiver>(actions), 1U);
  EXPECT_EQ(left.state, HandoffTaker::State::Closed);
}

TEST(HandoffTest, ATornOfferIsRefusedWhole) {
  const auto [next, actions] = step(HandoffTaker{}, OfferCameTorn{1});
  EXPECT_EQ(count<DropHeld>(actions), 1U);
  EXPECT_EQ(std::get<SendAnswer>(actions.at(0)).answer, (AnswerOffer{1, {}, 0}));
  EXPECT_EQ(next.state, HandoffTaker::State::Waiting);
}

TEST(HandoffTest, SharesAreEven) {
  std::vector<std::size_t> given(3);
  std::size_t waiting = 1'000;
  std::size_t turns = 0;
  while (waiting != 0) {
    ASSERT_LT(++turns, 100U);
    for (std::size_t& peer : given) {
      const std::size_t n = next_offer(waiting, peer, given[0] + given[1] + given[2], 3, 1'000);
      peer += n;
      waiting -= n;
    }
  }
  for (const std::size_t peer : given) EXPECT_NEAR(static_cast<double>(peer), 333.3, 2);
  EXPECT_EQ(next_offer(10, 0, 0, 4, 1'000), 3U);
  EXPECT_EQ(next_offer(10, 0, 0, 4, 2), 2U);
  EXPECT_EQ(next_offer(10, 0, 0, 0, 1'000), 0U);
}

CarriedConnection example() {
  return {.id = {3, 7, 42},
          .listener = "http",
          .peer = {"192.0.2.1", 4711},
          .client = Endpoint{"2001:db8::1", 80},
          .fresh = false,
          .requests = 12,
          .age = std::chrono::microseconds{1'500},
          .left = std::chrono::microseconds{74'000'000},
          .pending_for = std::chrono::microseconds{250},
          .pending = std::string("GET / HT\n\0x", 11),
          .state = "{\n}"};
}

TEST(HandoffMessageTest, EveryMessageArrivesAsItWasSent) {
  CarriedConnection fresh;
  fresh.listener = "admin";
  fresh.fresh = true;
  for (const HandoffMessage& message : std::vector<HandoffMessage>{
           OpenPeer{5}, AnswerOffer{9, {0, 63}, 7}, Offer{1, 2, {example(), fresh, example()}},
           ReleaseOffer{4}, CancelOffer{4}}) {
    const auto read = decode_handoff(encode(message));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, message);
  }
}

TEST(HandoffMessageTest, WhatALaterVersionAddsIsReadOver) {
  const auto read = decode_handoff(R"({"type":"open","credit":3,"mood":"fine"})"
                                   "\n");
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, HandoffMessage(OpenPeer{3}));
}

TEST(HandoffMessageTest, NothingBrokenIsRead) {
  const std::string whole = encode(Offer{1, 2, {example()}});
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(decode_handoff(std::string_view(whole).substr(0, size))) << size;
  EXPECT_FALSE(decode_handoff(whole + "x"));
  for (const std::string_view bad :
       {"[]\n", "{}\n",
        R"({"type":1})"
        "\n",
        R"({"type":"open","credit":-1})"
        "\n",
        R"({"type":"answer","batch":1,"taken":[64],"credit":1})"
        "\n",
        R"({"type":"offer","batch":1,"connections":[{}]})"
        "\n",
        R"({"type":"offer","batch":1,"connections":[{"id":[1,2],"listener":"a","peer":["",0]}]})"
        "\n",
        R"({"type":"offer","batch":1,"connections":[{"id":[1,2,3],"listener":"a","peer":["x",0]}]})"
        "\n"})
    EXPECT_FALSE(decode_handoff(bad)) << bad;
}

TEST(HandoffMessageTest, AConnectionIsNeverLargerThanItsEstimate) {
  CarriedConnection most = example();
  constexpr auto kMost = std::numeric_limits<std::uint64_t>::max();
  most.id = {kMost, kMost, kMost};
  most.peer = most.client.emplace(Endpoint{"2001:0db8:1111:2222:3333:4444:5555:6666", 65'535});
  most.requests = std::numeric_limits<std::uint32_t>::max();
  most.age = *most.left = most.pending_for = std::chrono::hours{800'000};
  most.pending.assign(kMaxPending, 'x');
  const std::size_t alone =
      encode(Offer{kMost, kMost, {most}}).size() - encode(Offer{kMost, kMost, {}}).size();
  EXPECT_LE(alone, encoded_size(most));
}

}  // namespace
}  // namespace holdfast::worker
