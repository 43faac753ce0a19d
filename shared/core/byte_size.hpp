// Sizes as people write them: a number and a unit, "64KiB", "256MiB", "2GiB", "512B". A bare "0" is
// allowed; any other number without a unit is an error.
#pragma once

#include <cstdint>
#include <string_view>

#include "shared/core/result.hpp"

namespace holdfast {

// At most 1024 TiB.
Result<std::uint64_t> parse_byte_size(std::string_view text);

}  // namespace holdfast
