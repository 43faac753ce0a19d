#include "shared/core/whole_number.hpp"

#include <cstdint>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(WholeNumberTest, IsTheTextFromItsFirstCharacterToItsLast) {
  EXPECT_EQ(whole_number<int>("0"), 0);
  EXPECT_EQ(whole_number<int>("-7"), -7);
  EXPECT_EQ(whole_number<std::uint64_t>("18446744073709551615"), UINT64_MAX);
  EXPECT_EQ(whole_number<unsigned>("0022", 8), 18U);
}

TEST(WholeNumberTest, AnythingElseIsNone) {
  for (const char* text : {"", " 1", "1 ", "+1", "1x", "x", "0x10", "1.0", "1,000", "-"})
    EXPECT_EQ(whole_number<int>(text), std::nullopt) << text;
  EXPECT_EQ(whole_number<unsigned>("-1"), std::nullopt);
  EXPECT_EQ(whole_number<unsigned>("8", 8), std::nullopt);
}

TEST(WholeNumberTest, WhatDoesNotFitIsNone) {
  EXPECT_EQ(whole_number<std::uint8_t>("256"), std::nullopt);
  EXPECT_EQ(whole_number<int>("99999999999999999999"), std::nullopt);
}

}  // namespace
}  // namespace holdfast
