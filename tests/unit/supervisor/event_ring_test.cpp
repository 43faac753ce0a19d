#include "supervisor/core/event_ring.hpp"

#include <gtest/gtest.h>

namespace holdfast::supervisor {
namespace {

TEST(EventRingTest, KeepsTheLastOnesInOrder) {
  EventRing ring;
  for (std::size_t i = 0; i < EventRing::kLines + 3; ++i) ring.add(std::to_string(i) + "\n");
  EXPECT_EQ(ring.size(), EventRing::kLines);
  EXPECT_TRUE(ring.all().starts_with("3\n4\n")) << ring.all().substr(0, 20);
  EXPECT_TRUE(ring.all().ends_with("258\n"));
}

TEST(EventRingTest, LongLinesAreBoundedByTheirBytes) {
  EventRing ring;
  for (int i = 0; i < 200; ++i) ring.add(std::string(4'096, 'x'));
  EXPECT_EQ(ring.all().size(), EventRing::kBytes);
}

}  // namespace
}  // namespace holdfast::supervisor
