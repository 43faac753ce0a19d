// The fields that ask for trust or for a part: X-Forwarded-For never yields a trusted address while
// an untrusted one is nearer, networks contain themselves, and a range lies inside what it is of.
#include <cstdint>
#include <string>
#include <string_view>

#include "holdfast/worker/byte_range.hpp"
#include "tests/fuzz/require.hpp"
#include "worker/core/forwarded.hpp"

using namespace holdfast::worker;

namespace {

void check_forwarded(std::string_view value) {
  static const TrustedProxies trusted =
      TrustedProxies::parse({"10.0.0.0/8", "2001:db8::/32", "unix:"}).value();
  ForwardedWalk walk(trusted, std::nullopt);
  walk.field(value);
  const auto all = walk.client();
  // What a client puts in front of the field never changes who it is, once an untrusted address was
  // met.
  if (all && !trusted.trusts(all)) {
    ForwardedWalk longer(trusted, std::nullopt);
    longer.field("192.0.2.66, 10.1.1.1, " + std::string(value));
    HOLDFAST_REQUIRE(longer.client() == all);
    HOLDFAST_REQUIRE(!longer.going());
  }
  ForwardedWalk nobody(trusted, IpAddress::parse("192.0.2.1"));
  nobody.field(value);
  HOLDFAST_REQUIRE(!nobody.client());
}

void check_range(std::string_view field, std::uint64_t size) {
  const RangeChoice choice = choose_range(field, size);
  HOLDFAST_REQUIRE(choice.offset <= size && choice.length <= size - choice.offset);
  switch (choice.verdict) {
    case RangeChoice::Verdict::Whole:
      HOLDFAST_REQUIRE(choice.offset == 0 && choice.length == size);
      break;
    case RangeChoice::Verdict::Part:
      HOLDFAST_REQUIRE(choice.length != 0);
      HOLDFAST_REQUIRE(content_range(choice, size).starts_with("bytes "));
      break;
    case RangeChoice::Verdict::Unsatisfiable:
      HOLDFAST_REQUIRE(choice.length == 0);
      HOLDFAST_REQUIRE(content_range(choice, size) == "bytes */" + std::to_string(size));
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  check_forwarded(text);
  for (const std::uint64_t of : {std::uint64_t{0}, std::uint64_t{data[0]}, ~std::uint64_t{0}})
    check_range(text, of);
  if (const auto network = IpNetwork::parse(text)) {
    HOLDFAST_REQUIRE(network->contains(network->address));
    HOLDFAST_REQUIRE(network->prefix <= (network->address.v6 ? 128 : 32));
  }
  if (const auto address = parse_forwarded(text))
    HOLDFAST_REQUIRE(address->v6 || address->bytes[4] == 0);
  return 0;
}
