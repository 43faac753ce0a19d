#include "holdfast/worker/byte_range.hpp"

#include <gtest/gtest.h>

namespace holdfast::worker {
namespace {

using Verdict = RangeChoice::Verdict;

std::string choose(std::string_view field, std::uint64_t size) {
  const RangeChoice choice = choose_range(field, size);
  if (choice.verdict == Verdict::Whole) {
    EXPECT_EQ(choice.offset, 0U);
    EXPECT_EQ(choice.length, size);
    return "whole";
  }
  return content_range(choice, size);
}

TEST(ByteRange, OneRangeIsAPart) {
  EXPECT_EQ(choose("bytes=0-499", 10'000), "bytes 0-499/10000");
  EXPECT_EQ(choose("bytes=500-999", 10'000), "bytes 500-999/10000");
  EXPECT_EQ(choose("bytes=9500-", 10'000), "bytes 9500-9999/10000");
  EXPECT_EQ(choose("bytes=-500", 10'000), "bytes 9500-9999/10000");
  EXPECT_EQ(choose("bytes=0-0", 10'000), "bytes 0-0/10000");
  EXPECT_EQ(choose("bytes=-1", 10'000), "bytes 9999-9999/10000");
  EXPECT_EQ(choose("Bytes= 0-1 ", 10), "bytes 0-1/10");
  const RangeChoice part = choose_range("bytes=500-999", 10'000);
  EXPECT_EQ(part.offset, 500U);
  EXPECT_EQ(part.length, 500U);
}

TEST(ByteRange, WhatReachesBeyondTheEndIsCut) {
  EXPECT_EQ(choose("bytes=0-99", 10), "bytes 0-9/10");
  EXPECT_EQ(choose("bytes=9-99999999999999999999999", 10), "bytes 9-9/10");
  EXPECT_EQ(choose("bytes=-99", 10), "bytes 0-9/10");
  EXPECT_EQ(choose("bytes=-99999999999999999999999", 10), "bytes 0-9/10");
}

TEST(ByteRange, WhatBeginsBehindTheEndIsUnsatisfiable) {
  EXPECT_EQ(choose("bytes=10-", 10), "bytes */10");
  EXPECT_EQ(choose("bytes=10-20", 10), "bytes */10");
  EXPECT_EQ(choose("bytes=99999999999999999999999-", 10), "bytes */10");
  EXPECT_EQ(choose("bytes=-0", 10), "bytes */10");
  EXPECT_EQ(choose("bytes=0-", 0), "bytes */0");
  EXPECT_EQ(choose("bytes=-5", 0), "whole");
}

TEST(ByteRange, WhatIsNotOneByteRangeIsIgnored) {
  for (const char* field :
       {"", "bytes", "bytes=", "bytes=-", "bytes=5", "bytes=5-4", "bytes=a-b", "bytes=0-x",
        "bytes=0x0-9", "bytes=+0-9", "bytes=0-+9", "bytes=--5", "bytes=0--5", "bytes=0-1,2-3",
        "bytes=0 - 1", "items=0-1", "bytes 0-1", "bytes=0-1;", "=0-1"}) {
    EXPECT_EQ(choose(field, 10), "whole") << field;
  }
}

}  // namespace
}  // namespace holdfast::worker
