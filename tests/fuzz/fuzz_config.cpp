// Any bytes as a config file: read or refused with a position, and what is read merges.
#include <cstdint>
#include <string>

#include "supervisor/core/config_values.hpp"
#include "tests/fuzz/require.hpp"

using namespace holdfast;
using namespace holdfast::supervisor;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto values = values_of_config("f", text);
  if (!values) {
    HOLDFAST_REQUIRE(values.error().message.starts_with("cannot read f:"));
    HOLDFAST_REQUIRE(values.error().message.find_first_of(std::string("\n\0", 2)) ==
                     std::string::npos);
    return 0;
  }
  const auto options = merge_options({*values});
  HOLDFAST_REQUIRE(options.has_value());
  for (const EnvironmentEntry& entry : options->environment)
    HOLDFAST_REQUIRE(entry.value.find('\0') == std::string::npos);
  return 0;
}
