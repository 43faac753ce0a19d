// Whatever decodes comes back the same when it is encoded and decoded again.
#include <cstdint>
#include <string_view>

#include "shared/core/control_message.hpp"
#include "tests/fuzz/require.hpp"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto message = decode({reinterpret_cast<const char*>(data), size});
  if (!message) {
    HOLDFAST_REQUIRE(message.error().message.starts_with("cannot read control message: "));
    return 0;
  }
  HOLDFAST_REQUIRE(expected_fds(*message) <= kMaxControlFds);
  const std::string text = encode(*message);
  HOLDFAST_REQUIRE(text.find('\n') == std::string::npos);
  // Defaults that the sender left out are spelled here, so a message may grow past the limit.
  if (text.size() > kMaxControlMessage) return 0;
  const auto again = decode(text);
  HOLDFAST_REQUIRE(again);
  HOLDFAST_REQUIRE(*again == *message);
  return 0;
}
