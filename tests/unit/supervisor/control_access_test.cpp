#include "supervisor/core/control_access.hpp"

#include <gtest/gtest.h>

namespace holdfast::supervisor {
namespace {

constexpr std::uint32_t kOwner = 1'000;

TEST(ControlAccessTest, RootAndTheOwnerMay) {
  EXPECT_TRUE(may_control({1, 0, 0, {}}, kOwner, {}));
  EXPECT_TRUE(may_control({1, kOwner, 5, {}}, kOwner, {}));
}

TEST(ControlAccessTest, StrangerMayNotWhateverTheModeOfTheFile) {
  EXPECT_FALSE(may_control({1, 1'001, kOwner, {kOwner, 0}}, kOwner, {}));
  EXPECT_FALSE(may_control({1, 1'001, 5, {6}}, kOwner, 7));
}

TEST(ControlAccessTest, MemberOfTheGroupMay) {
  EXPECT_TRUE(may_control({1, 1'001, 7, {}}, kOwner, 7));
  EXPECT_TRUE(may_control({1, 1'001, 5, {6, 7}}, kOwner, 7));
}

}  // namespace
}  // namespace holdfast::supervisor
