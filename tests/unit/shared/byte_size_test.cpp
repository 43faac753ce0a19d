#include "shared/core/byte_size.hpp"

#include <string>

#include <gtest/gtest.h>

namespace holdfast {
namespace {

TEST(ByteSizeTest, UnitsAreBinary) {
  EXPECT_EQ(*parse_byte_size("0"), 0U);
  EXPECT_EQ(*parse_byte_size("512B"), 512U);
  EXPECT_EQ(*parse_byte_size("64KiB"), 65'536U);
  EXPECT_EQ(*parse_byte_size("256MiB"), 268'435'456U);
  EXPECT_EQ(*parse_byte_size("2GiB"), 2'147'483'648U);
  EXPECT_EQ(*parse_byte_size("1024TiB"), 1'125'899'906'842'624U);
}

TEST(ByteSizeTest, AnythingElseIsAnErrorThatSaysWhatIsExpected) {
  for (const char* text : {"", "5", "MiB", "-1B", "1.5GiB", "1 MiB", "1MB", "1025TiB",
                           "18446744073709551616B", "18446744073709551615GiB"}) {
    EXPECT_FALSE(parse_byte_size(text)) << text;
  }
  EXPECT_EQ(parse_byte_size("5").error().message,
            "cannot parse size '5': a unit is missing: B, KiB, MiB, GiB or TiB");
}

}  // namespace
}  // namespace holdfast
