// Whatever parses prints as text that parses to the same address.
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "shared/core/duration.hpp"
#include "shared/core/listen_address.hpp"
#include "tests/fuzz/require.hpp"

using namespace holdfast;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (const auto spec = parse_listener_spec(text)) {
    HOLDFAST_REQUIRE(!spec->name.empty() && spec->name.size() <= 64);
    std::string printed = to_string(spec->address);
    HOLDFAST_REQUIRE(printed.find('\0') == std::string::npos);
    ListenAddress bare = spec->address;
    if (auto* local = std::get_if<UnixAddress>(&bare)) {
      HOLDFAST_REQUIRE(!local->path.empty() && local->path.size() <= 107);
      *local = {local->path, {}, "", ""};
    }
    const auto again = parse_listen_address(printed);
    HOLDFAST_REQUIRE(again && *again == bare);
    const auto named = parse_listener_spec(spec->name + "=" + printed);
    HOLDFAST_REQUIRE(named && named->name == spec->name && named->address == bare);
  }
  if (const auto duration = parse_duration(text)) {
    HOLDFAST_REQUIRE(duration->count() >= 0 && duration->count() <= 36'000'000'000);
    const auto again = parse_duration(format_duration(*duration));
    HOLDFAST_REQUIRE(again && *again == *duration);
  }
  return 0;
}
