#include "worker/core/connection_book.hpp"

#include <map>
#include <random>
#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace holdfast::worker {
namespace {

using namespace std::chrono_literals;
using Entry = ConnectionBook::Entry;

class ConnectionBookTest : public testing::Test {
 protected:
  Entry& open() {
    entries_.push_back(std::make_unique<Entry>());
    book_.enter(*entries_.back(), now_);
    return *entries_.back();
  }

  Entry& idle() {
    Entry& entry = open();
    book_.request_began(entry, now_);
    book_.response_done(entry, now_);
    return entry;
  }

  // Who is dismissed when it is `now`.
  std::set<const Entry*> sweep(TimePoint now) {
    std::set<const Entry*> dismissed;
    book_.sweep(
        now, [&](const Entry& entry) { return !busy_.contains(&entry); },
        [&](const Entry& entry) { dismissed.insert(&entry); });
    return dismissed;
  }

  TimePoint now_{1h};
  std::vector<std::unique_ptr<Entry>> entries_;  // outlive the book, whose wheel they may hang in
  std::set<const Entry*> busy_;
  ConnectionBook book_;
};

TEST_F(ConnectionBookTest, NobodyIsDismissedBeforeADrain) {
  idle();
  open();
  EXPECT_TRUE(sweep(now_ + 1h).empty());
  EXPECT_EQ(book_.next_sweep(), std::nullopt);
}

TEST_F(ConnectionBookTest, IdleAndSilentOnesAreDismissedWhenTheirGraceIsOver) {
  Entry& quiet = idle();
  Entry& silent = open();
  book_.begin_drain(1s, 100ms, 0ms, now_);
  EXPECT_TRUE(sweep(now_ + 99ms).empty());
  EXPECT_EQ(sweep(now_ + 110ms), std::set<const Entry*>{&quiet});
  EXPECT_EQ(sweep(now_ + 1010ms), std::set<const Entry*>{&silent});
  EXPECT_EQ(book_.counts().closed_idle, 2u);
  EXPECT_EQ(book_.counts().connections, 2u) << "they leave by themselves";
}

TEST_F(ConnectionBookTest, ARequestInFlightIsNeverDismissedAndItsConnectionGetsAGraceAfterIt) {
  Entry& entry = open();
  book_.request_began(entry, now_);
  book_.begin_drain(1s, 1s, 0ms, now_);
  EXPECT_TRUE(sweep(now_ + 1h).empty());
  book_.response_done(entry, now_ + 1h);
  EXPECT_TRUE(sweep(now_ + 1h + 999ms).empty());
  EXPECT_EQ(sweep(now_ + 1h + 1010ms).size(), 1u);
}

TEST_F(ConnectionBookTest, BytesThatTheServerHasNotReportedYetCountAsARequest) {
  Entry& entry = open();
  busy_.insert(&entry);
  book_.begin_drain(1s, 1s, 0ms, now_);
  EXPECT_TRUE(sweep(now_ + 2s).empty());
  EXPECT_EQ(book_.counts().active, 1u);
  book_.request_began(entry, now_ + 3s);  // the server says so at last
  EXPECT_EQ(book_.counts().requests, 1u) << "one request, seen twice";
}

TEST_F(ConnectionBookTest, AConnectionOutOfTheQueueIsOwedItsRequestToo) {
  book_.begin_drain(1s, 1s, 0ms, now_);
  now_ += 10s;
  open();
  EXPECT_TRUE(sweep(now_ + 999ms).empty());
  EXPECT_EQ(sweep(now_ + 1010ms).size(), 1u);
}

TEST_F(ConnectionBookTest, ASecondDrainOnlyShortensTheGraces) {
  idle();
  book_.begin_drain(1s, 1s, 0ms, now_);
  book_.begin_drain(5s, 5s, 0ms, now_ + 500ms);
  EXPECT_EQ(sweep(now_ + 1010ms).size(), 1u);
  idle();
  book_.begin_drain(1s, 100ms, 0ms, now_);
  EXPECT_EQ(sweep(now_ + 1200ms).size(), 1u);
}

TEST_F(ConnectionBookTest, IdleOnesAreDismissedOneAfterAnotherBehindTheirGrace) {
  for (int i = 0; i < 1'000; ++i) idle();
  book_.begin_drain(1s, 100ms, 500ms, now_);
  EXPECT_TRUE(sweep(now_ + 99ms).empty());
  std::size_t gone = 0;
  for (Millis waited = 150ms; waited <= 650ms; waited += 50ms) {
    const std::size_t now_gone = sweep(now_ + waited).size();
    EXPECT_LE(now_gone, 125u) << "100 places and a slot of the wheel, at " << waited.count();
    gone += now_gone;
  }
  EXPECT_EQ(gone, 1'000u);
}

TEST_F(ConnectionBookTest, AStopInTheMiddleOfASpreadWaitsForNoPlace) {
  for (int i = 0; i < 1'000; ++i) idle();
  book_.begin_drain(1s, 1s, 500ms, now_);
  book_.begin_drain(1s, 100ms, 0ms, now_);
  EXPECT_EQ(sweep(now_ + 110ms).size(), 1'000u);
}

TEST_F(ConnectionBookTest, TheDeadlineEndsAllAndCountsWhatWasInFlight) {
  book_.request_began(open(), now_);
  idle();
  open();
  busy_.insert(&open());
  book_.begin_drain(1h, 1h, 0ms, now_);
  std::size_t ended = 0;
  const auto quiet = [&](const Entry& entry) { return !busy_.contains(&entry); };
  book_.cut_all(now_, quiet, [&](const Entry&) { ++ended; });
  EXPECT_EQ(ended, 4u);
  EXPECT_EQ(book_.counts().cut, 2u);
  EXPECT_EQ(book_.counts().closed_idle, 2u);
  book_.cut_all(now_, quiet, [&](const Entry&) { ++ended; });
  EXPECT_EQ(ended, 4u) << "ended twice";
}

// Whatever order the world chooses: the counts are those of the entries, nobody is dismissed twice,
// nor with a request in flight, and a drain that goes on long enough has dismissed all the rest.
TEST_F(ConnectionBookTest, RandomLivesKeepTheLaws) {
  std::mt19937 random(20261122);
  const auto pick = [&](int n) { return std::uniform_int_distribution<int>(0, n - 1)(random); };
  for (int life = 0; life < 300; ++life) {
    std::map<Entry*, std::unique_ptr<Entry>> living;
    ConnectionBook book;
    std::set<const Entry*> dismissed;
    TimePoint now{1h};
    const auto some = [&] {
      auto at = living.begin();
      std::advance(at, pick(static_cast<int>(living.size())));
      return at;
    };
    const auto sweep_now = [&] {
      book.sweep(
          now, [&](const Entry&) { return pick(4) != 0; },
          [&](const Entry& entry) {
            ASSERT_TRUE(dismissed.insert(&entry).second);
            ASSERT_EQ(entry.machine.state, ConnState::Lingering);
          });
    };
    for (int i = 0; i < 200; ++i) {
      now += Millis{pick(300)};
      const int what = pick(7);
      if (what <= 1 || living.empty()) {
        auto entry = std::make_unique<Entry>();
        book.enter(*entry, now);
        living.emplace(entry.get(), std::move(entry));
      } else if (what == 2) {
        book.request_began(*some()->second, now);
      } else if (what == 3) {
        book.response_done(*some()->second, now);
      } else if (what == 4) {
        const auto at = some();
        book.leave(*at->second);
        dismissed.erase(at->first);
        living.erase(at);
      } else if (what == 5 && i > 100) {
        book.begin_drain(Millis{pick(2'000)}, Millis{pick(2'000)}, Millis{pick(2'000)}, now);
      } else {
        sweep_now();
      }
      std::size_t active = 0;
      for (const auto& [key, entry] : living) active += entry->machine.state == ConnState::Active;
      ASSERT_EQ(book.counts().connections, living.size());
      ASSERT_EQ(book.counts().active, active);
    }
    book.begin_drain(1s, 1s, 0ms, now);
    now += 10s;
    book.sweep(
        now, [](const Entry&) { return true; },
        [&](const Entry& entry) { dismissed.insert(&entry); });
    for (const auto& [key, entry] : living)
      ASSERT_TRUE(entry->machine.state == ConnState::Active || dismissed.contains(key));
  }
}

}  // namespace
}  // namespace holdfast::worker
