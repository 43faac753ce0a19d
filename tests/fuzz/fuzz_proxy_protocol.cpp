// A PROXY header has one reading, however it arrives, and none of the bytes behind it are taken.
#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "tests/fuzz/require.hpp"
#include "worker/core/proxy_protocol.hpp"

using namespace holdfast::worker;

namespace {

struct Reading {
  std::size_t taken = 0;  // of a complete header
  bool complete = false;
  bool refused = false;
  std::optional<IpAddress> source;
  bool operator==(const Reading&) const = default;
};

Reading read(std::string_view bytes, std::size_t step) {
  ProxyHeaderReader reader;
  std::size_t begin = 0;
  for (std::size_t end = 0;
       end < bytes.size() && !reader.complete() && reader.fault() == nullptr;) {
    end = std::min(bytes.size(), end + step);
    // A copy of exactly these bytes, for the sanitizer to guard.
    const std::vector<char> piece(bytes.begin() + static_cast<std::ptrdiff_t>(begin),
                                  bytes.begin() + static_cast<std::ptrdiff_t>(end));
    const std::size_t taken = reader.feed({piece.data(), piece.size()});
    HOLDFAST_REQUIRE(taken <= piece.size());
    begin += taken;
    HOLDFAST_REQUIRE(begin <= kMaxProxyHeader);
    // Otherwise a level-triggered poll would report the same bytes for ever.
    HOLDFAST_REQUIRE(reader.complete() || reader.fault() != nullptr || begin == end);
  }
  HOLDFAST_REQUIRE(!reader.complete() || reader.fault() == nullptr);
  HOLDFAST_REQUIRE(reader.complete() || !reader.source());
  if (reader.complete()) HOLDFAST_REQUIRE(reader.feed(bytes) == 0);
  Reading reading;
  reading.complete = reader.complete();
  reading.refused = reader.fault() != nullptr;
  if (reading.complete) reading.taken = begin;
  if (reader.source()) reading.source = reader.source()->address;
  return reading;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Reading whole = read(bytes, std::max<std::size_t>(bytes.size(), 1));
  HOLDFAST_REQUIRE(read(bytes, 1 + data[0]) == whole);
  HOLDFAST_REQUIRE(read(bytes, 1) == whole);
  if (!whole.complete) return 0;
  // What is behind the header changes nothing.
  HOLDFAST_REQUIRE(read(bytes.substr(0, whole.taken), 1) == whole);
  return 0;
}
