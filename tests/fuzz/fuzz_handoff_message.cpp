// Whatever decodes comes back the same when it is encoded and decoded again.
#include <cstdint>
#include <string_view>

#include "tests/fuzz/require.hpp"
#include "worker/core/handoff_message.hpp"

using namespace holdfast;
using namespace holdfast::worker;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = decode_handoff({reinterpret_cast<const char*>(data), size});
  if (!message) {
    HOLDFAST_REQUIRE(message.error().message.starts_with("cannot read a handoff message: "));
    return 0;
  }
  if (const auto* offer = std::get_if<Offer>(&*message)) {
    HOLDFAST_REQUIRE(offer->connections.size() <= kMaxOfferConnections);
    for (const CarriedConnection& carried : offer->connections) {
      HOLDFAST_REQUIRE(carried.pending.size() <= kMaxPending);
      HOLDFAST_REQUIRE(carried.state.size() <= kMaxCarriedState);
      HOLDFAST_REQUIRE(carried.age.count() >= 0 && carried.pending_for.count() >= 0);
    }
  }
  const auto again = decode_handoff(encode(*message));
  HOLDFAST_REQUIRE(again);
  HOLDFAST_REQUIRE(*again == *message);
  return 0;
}
