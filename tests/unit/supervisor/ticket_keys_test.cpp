#include "supervisor/core/ticket_keys.hpp"

#include <gtest/gtest.h>

#include "supervisor/io/random_ticket_key.hpp"

namespace holdfast::supervisor {
namespace {

using namespace std::chrono_literals;

TicketKey key_of(unsigned char byte) {
  TicketKey key;
  key.bytes.fill(byte);
  return key;
}

TEST(TicketKeysTest, AKeyIsWantedAtTheStartAndAfterTwelveHours) {
  const TimePoint start{100h};
  TicketKeys keys;
  EXPECT_TRUE(keys.wants_another(start));
  keys.add(key_of(1), start);
  EXPECT_FALSE(keys.wants_another(start + 12h - 1ms));
  EXPECT_TRUE(keys.wants_another(start + 12h));
  keys.add(key_of(2), start + 12h);
  EXPECT_FALSE(keys.wants_another(start + 13h));
}

TEST(TicketKeysTest, TheNewestComesFirstAndTheOneBeforeItIsKept) {
  TicketKeys keys;
  keys.add(key_of(1), TimePoint{0h});
  EXPECT_EQ(keys.newest_first(), std::vector{key_of(1)});
  keys.add(key_of(2), TimePoint{12h});
  EXPECT_EQ(keys.newest_first(), (std::vector{key_of(2), key_of(1)}));
  keys.add(key_of(3), TimePoint{24h});
  EXPECT_EQ(keys.newest_first(), (std::vector{key_of(3), key_of(2)}));
}

TEST(TicketKeysTest, NoTwoKeysAreAlike) {
  const auto one = random_ticket_key();
  const auto other = random_ticket_key();
  ASSERT_TRUE(one && other);
  EXPECT_NE(*one, *other);
  EXPECT_NE(*one, TicketKey{});
}

}  // namespace
}  // namespace holdfast::supervisor
