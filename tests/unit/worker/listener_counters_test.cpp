#include "worker/core/listener_counters.hpp"

#include <limits>
#include <numeric>
#include <string>

#include <gtest/gtest.h>

namespace holdfast::worker {
namespace {

using std::chrono::microseconds;

TEST(ListenerCountersTest, AListenerWithoutTrafficSaysNothing) {
  ListenerCounters counters;
  counters.place_of("http");
  EXPECT_TRUE(counters.report().empty());
}

TEST(ListenerCountersTest, ResponsesAreCountedByTheFirstDigitOfTheirStatus) {
  ListenerCounters counters;
  const auto http = counters.place_of("http");
  for (const int status : {101, 200, 204, 301, 404, 499, 500, 503, 504, 700})
    counters.responded(http, status, 0, 0, microseconds(1));
  ASSERT_EQ(counters.report().size(), 1U);
  const std::array<std::uint64_t, 5> expected{1, 2, 1, 2, 4};
  EXPECT_EQ(counters.report()[0].responses, expected);
}

TEST(ListenerCountersTest, ATimeOnABoundBelongsBelowItAndTheNextMicrosecondAbove) {
  for (std::size_t i = 0; i < kLatencyBounds.size(); ++i) {
    ListenerCounters counters;
    const auto http = counters.place_of("http");
    const auto bound = static_cast<std::int64_t>(kLatencyBounds[i]);
    counters.responded(http, 200, 0, 0, microseconds(bound));
    counters.responded(http, 200, 0, 0, microseconds(bound + 1));
    const ListenerStats stats = counters.report()[0];
    EXPECT_EQ(stats.latency[i], 1U) << bound;
    EXPECT_EQ(stats.latency[i + 1], 1U) << bound;
    EXPECT_EQ(stats.latency_us, 2 * kLatencyBounds[i] + 1);
  }
}

TEST(ListenerCountersTest, EachResponseIsInOneBucket) {
  ListenerCounters counters;
  const auto http = counters.place_of("http");
  for (const std::int64_t micros : {-5, 0, 1, 499, 70'000, 999'999'999})
    counters.responded(http, 200, 0, 0, microseconds(micros));
  const auto latency = counters.report()[0].latency;
  EXPECT_EQ(std::accumulate(latency.begin(), latency.end(), std::uint64_t{0}), 6U);
  EXPECT_EQ(latency.front(), 4U);
  EXPECT_EQ(latency.back(), 1U);
}

TEST(ListenerCountersTest, ListenersAreCountedApartAndTheSameNameTogether) {
  ListenerCounters counters;
  const auto http = counters.place_of("http");
  const auto admin = counters.place_of("admin");
  EXPECT_EQ(counters.place_of("http"), http);
  counters.accepted(http);
  counters.accepted(admin);
  counters.accepted(admin);
  counters.responded(admin, 200, 100, 200, microseconds(7));
  counters.responded(admin, 200, 10, 20, microseconds(7));
  const auto report = counters.report();
  ASSERT_EQ(report.size(), 2U);
  EXPECT_EQ(report[0].name, "http");
  EXPECT_EQ(report[0].accepted, 1U);
  EXPECT_EQ(report[0].bytes_sent, 0U);
  EXPECT_EQ(report[1].name, "admin");
  EXPECT_EQ(report[1].accepted, 2U);
  EXPECT_EQ(report[1].bytes_received, 110U);
  EXPECT_EQ(report[1].bytes_sent, 220U);
}

TEST(ListenerCountersTest, MoreListenersThanAMessageHoldsAreCountedTogetherUnderNoName) {
  ListenerCounters counters;
  for (std::size_t i = 0; i < kMaxCountedListeners + 10; ++i)
    counters.accepted(counters.place_of("l" + std::to_string(i)));
  const auto report = counters.report();
  ASSERT_EQ(report.size(), kMaxCountedListeners);
  EXPECT_EQ(report[kMaxCountedListeners - 2].name, "l46");
  EXPECT_EQ(report.back().name, "");
  EXPECT_EQ(report.back().accepted, 11U);
}

TEST(ListenerCountersTest, AsManyListenersAsAreCountedFitIntoOneMessageWhateverTheirNumbers) {
  constexpr std::uint64_t kLargest = std::numeric_limits<std::int64_t>::max();
  Stats stats{kLargest, kLargest, kLargest, kLargest, kLargest, kLargest, kLargest};
  for (std::size_t i = 0; i < kMaxCountedListeners; ++i) {
    ListenerStats listener{
        std::string(62, 'n') + std::to_string(10 + i), kLargest, {}, kLargest, kLargest, kLargest};
    listener.responses.fill(kLargest);
    listener.latency.fill(kLargest);
    stats.listeners.push_back(listener);
  }
  const std::string datagram = encode(stats);
  EXPECT_LE(datagram.size(), kMaxControlMessage);
  const auto read = decode(datagram);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(std::get<Stats>(*read), stats);
}

}  // namespace
}  // namespace holdfast::worker
