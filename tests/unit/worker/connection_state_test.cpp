#include "worker/core/connection_state.hpp"

#include <array>
#include <random>

#include <gtest/gtest.h>

#include "tests/support/random_lives.hpp"

namespace holdfast::worker {
namespace {

constexpr std::array kStates{ConnState::New,      ConnState::Active,    ConnState::Idle,
                             ConnState::Hijacked, ConnState::Lingering, ConnState::Offered,
                             ConnState::Closed};
constexpr std::array kEvents{
    ConnEvent::BytesArrived,  ConnEvent::ResponseReusable, ConnEvent::ResponseFinal,
    ConnEvent::HijackTaken,   ConnEvent::HijackReleased,   ConnEvent::Quiet,
    ConnEvent::TimedOut,      ConnEvent::PeerGone,         ConnEvent::DrainBegan,
    ConnEvent::HandoffBegan,  ConnEvent::HandoffEnded,     ConnEvent::OfferMade,
    ConnEvent::OfferReturned, ConnEvent::OfferReleased,    ConnEvent::DrainExpired};

template <typename Law>
void for_every_pair(Law law) {
  for (const ConnState state : kStates) {
    for (const auto& [draining, moving] :
         {std::pair{false, false}, std::pair{true, false}, std::pair{true, true}}) {
      for (const ConnEvent event : kEvents) {
        SCOPED_TRACE(testing::Message() << "state " << int(state) << " draining " << draining
                                        << " moving " << moving << " event " << int(event));
        const ConnMachine before{.state = state,
                                 .offered_from = ConnState::Idle,
                                 .draining = draining,
                                 .moving = moving,
                                 .requests = 7};
        law(before, event, step(before, event));
      }
    }
  }
}

// The whole table, as docs/states.md prints it: rows are events, columns New Active Idle Hijacked
// Lingering Offered (from Idle).
TEST(ConnectionStateTest, EveryPairOfStateAndEventHasItsCell) {
  struct Cell {
    ConnState next;
    ConnEffect effect;
  };
  using S = ConnState;
  using E = ConnEffect;
  const std::array<std::array<Cell, 6>, 15> table{{
      {{{S::Active, E::None},
        {S::Active, E::None},
        {S::Active, E::None},
        {S::Hijacked, E::None},
        {S::Lingering, E::None},
        {S::Offered, E::None}}},
      {{{S::New, E::None},
        {S::Idle, E::None},
        {S::Idle, E::None},
        {S::Hijacked, E::None},
        {S::Lingering, E::None},
        {S::Offered, E::None}}},
      {{{S::New, E::None},
        {S::Lingering, E::HalfClose},
        {S::Idle, E::None},
        {S::Hijacked, E::None},
        {S::Lingering, E::None},
        {S::Offered, E::None}}},
      {{{S::New, E::None},
        {S::Hijacked, E::None},
        {S::Idle, E::None},
        {S::Hijacked, E::None},
        {S::Lingering, E::None},
        {S::Offered, E::None}}},
      {{{S::New, E::None},
        {S::Active, E::None},
        {S::Idle, E::None},
        {S::Lingering, E::HalfClose},
        {S::Lingering, E::None},
        {S::Offered, E::None}}},
      {{{S::Lingering, E::HalfClose},
        {S::Active, E::None},
        {S::Lingering, E::HalfClose},
        {S::Hijacked, E::None},
        {S::Lingering, E::None},
        {S::Offered, E::None}}},
      {{{S::New, E::Probe},
        {S::Closed, E::Abort},
        {S::Idle, E::Probe},
        {S::Hijacked, E::None},
        {S::Closed, E::Close},
        {S::Offered, E::None}}},
      {{{S::Closed, E::Close},
        {S::Closed, E::Close},
        {S::Closed, E::Close},
        {S::Closed, E::Close},
        {S::Closed, E::Close},
        {S::Offered, E::None}}},
      {{{S::New, E::StartGrace},
        {S::Active, E::None},
        {S::Idle, E::StartGrace},
        {S::Hijacked, E::TellHijacker},
        {S::Lingering, E::None},
        {S::Offered, E::None}}},
      {{{S::New, E::QueueOffer},
        {S::Active, E::QueueOffer},
        {S::Idle, E::QueueOffer},
        {S::Hijacked, E::TellHijacker},
        {S::Lingering, E::None},
        {S::Offered, E::None}}},
      {{{S::New, E::None},
        {S::Active, E::None},
        {S::Idle, E::None},
        {S::Hijacked, E::None},
        {S::Lingering, E::None},
        {S::Offered, E::None}}},
      {{{S::New, E::None},
        {S::Active, E::None},
        {S::Idle, E::None},
        {S::Hijacked, E::None},
        {S::Lingering, E::None},
        {S::Offered, E::None}}},
      {{{S::New, E::None},
        {S::Active, E::None},
        {S::Idle, E::None},
        {S::Hijacked, E::None},
        {S::Lingering, E::None},
        {S::Idle, E::StartGrace}}},
      {{{S::New, E::None},
        {S::Active, E::None},
        {S::Idle, E::None},
        {S::Hijacked, E::None},
        {S::Lingering, E::None},
        {S::Closed, E::LetGo}}},
      {{{S::Closed, E::Abort},
        {S::Closed, E::Abort},
        {S::Closed, E::Abort},
        {S::Closed, E::Abort},
        {S::Closed, E::Close},
        {S::Closed, E::Abort}}},
  }};
  for (std::size_t e = 0; e < kEvents.size(); ++e) {
    for (std::size_t s = 0; s < 6; ++s) {
      const ConnStep got = step({.state = kStates[s], .offered_from = ConnState::Idle}, kEvents[e]);
      EXPECT_EQ(got.next.state, table[e][s].next) << "event " << e << " state " << s;
      EXPECT_EQ(got.effect, table[e][s].effect) << "event " << e << " state " << s;
    }
  }
}

TEST(ConnectionStateTest, ClosedAbsorbsEverything) {
  for_every_pair([](const ConnMachine& before, ConnEvent, const ConnStep& got) {
    if (before.state != ConnState::Closed) return;
    EXPECT_EQ(got.next, before);
    EXPECT_EQ(got.effect, ConnEffect::None);
  });
}

TEST(ConnectionStateTest, AHandlerNeverRunsOnAConnectionChosenForClose) {
  const ConnStep got = step({.state = ConnState::Lingering}, ConnEvent::BytesArrived);
  EXPECT_EQ(got.next.state, ConnState::Lingering);
  EXPECT_EQ(got.next.requests, 0U);
}

TEST(ConnectionStateTest, WhileDrainingEveryEntryIntoIdleStartsItsGraceOrIsQueuedForATaker) {
  for_every_pair([](const ConnMachine& before, ConnEvent, const ConnStep& got) {
    if (before.state != ConnState::Idle && got.next.state == ConnState::Idle && got.next.draining) {
      EXPECT_EQ(got.effect, got.next.moving ? ConnEffect::QueueOffer : ConnEffect::StartGrace);
    }
  });
}

TEST(ConnectionStateTest, IdleAndNewAreProbedBeforeTheyAreClosed) {
  for (const ConnState state : {ConnState::New, ConnState::Idle}) {
    const ConnStep timed_out = step({.state = state, .draining = true}, ConnEvent::TimedOut);
    EXPECT_EQ(timed_out.effect, ConnEffect::Probe);
    EXPECT_EQ(timed_out.next.state, state);
    EXPECT_EQ(step(timed_out.next, ConnEvent::BytesArrived).next.state, ConnState::Active);
    EXPECT_EQ(step(timed_out.next, ConnEvent::Quiet).effect, ConnEffect::HalfClose);
  }
}

TEST(ConnectionStateTest, DrainExpiredAlwaysCloses) {
  for_every_pair([](const ConnMachine&, ConnEvent event, const ConnStep& got) {
    if (event == ConnEvent::DrainExpired) {
      EXPECT_EQ(got.next.state, ConnState::Closed);
    }
  });
}

TEST(ConnectionStateTest, OnlyAnActiveConnectionIsEverAborted) {
  for_every_pair([](const ConnMachine& before, ConnEvent event, const ConnStep& got) {
    if (got.effect == ConnEffect::Abort && event != ConnEvent::DrainExpired) {
      EXPECT_EQ(before.state, ConnState::Active);
    }
  });
}

TEST(ConnectionStateTest, WhatWasOfferedIsNeitherReadNorClosedUntilItsOfferEnds) {
  for_every_pair([](const ConnMachine& before, ConnEvent event, const ConnStep& got) {
    if (before.state != ConnState::Offered) return;
    if (event == ConnEvent::OfferReturned || event == ConnEvent::OfferReleased ||
        event == ConnEvent::DrainExpired)
      return;
    EXPECT_EQ(got.next.state, ConnState::Offered);
    EXPECT_EQ(got.effect, ConnEffect::None);
  });
}

TEST(ConnectionStateTest, OnlyWhatMovesIsOfferedAndOnlyWhatWasOfferedIsLetGo) {
  for_every_pair([](const ConnMachine& before, ConnEvent event, const ConnStep& got) {
    if (got.next.state == ConnState::Offered && before.state != ConnState::Offered) {
      EXPECT_TRUE(before.moving);
      EXPECT_EQ(event, ConnEvent::OfferMade);
      EXPECT_EQ(got.next.offered_from, before.state);
    }
    if (got.effect == ConnEffect::LetGo) {
      EXPECT_EQ(before.state, ConnState::Offered);
    }
  });
}

TEST(ConnectionStateTest, AResponseSaysCloseWhereTheConnectionLeavesWithUs) {
  EXPECT_FALSE(must_say_close({}, false));
  EXPECT_TRUE(must_say_close({.draining = true}, false));
  EXPECT_FALSE(must_say_close({.draining = true, .moving = true}, false));
  EXPECT_TRUE(must_say_close({.draining = true, .moving = true}, true));
}

TEST(ConnectionStateTest, WhatNobodyTakesLeavesAsInAnyDrain) {
  const ConnMachine moving = step({.state = ConnState::Idle}, ConnEvent::HandoffBegan).next;
  EXPECT_EQ(step(moving, ConnEvent::HandoffEnded).effect, ConnEffect::StartGrace);
  const ConnMachine offered = step(moving, ConnEvent::OfferMade).next;
  const ConnStep ended = step(offered, ConnEvent::HandoffEnded);
  EXPECT_EQ(step(ended.next, ConnEvent::OfferReturned).effect, ConnEffect::StartGrace);
  EXPECT_EQ(step(offered, ConnEvent::OfferReturned).effect, ConnEffect::QueueOffer);
}

TEST(ConnectionStateTest, DrainingIsNeverForgottenAndRequestsNeverFall) {
  for_every_pair([](const ConnMachine& before, ConnEvent, const ConnStep& got) {
    EXPECT_GE(got.next.requests, before.requests);
    if (before.draining) {
      EXPECT_TRUE(got.next.draining);
    }
  });
}

TEST(ConnectionStateTest, RandomLivesEndClosedAndAreClosedOnce) {
  std::mt19937 random(20261122);
  for (int life = 0; life < kRandomLives; ++life) {
    ConnMachine machine;
    int closes = 0;
    for (int i = 0; i < 20; ++i) {
      const auto event =
          kEvents[std::uniform_int_distribution<std::size_t>(0, kEvents.size() - 1)(random)];
      const auto [next, effect] = step(machine, event);
      closes +=
          effect == ConnEffect::Close || effect == ConnEffect::Abort || effect == ConnEffect::LetGo;
      ASSERT_EQ(closes, next.state == ConnState::Closed ? 1 : 0)
          << "life " << life << " step " << i;
      machine = next;
    }
  }
}

}  // namespace
}  // namespace holdfast::worker
