// Durations as people write them: a decimal number and a unit, "30s", "500ms", "1.5s", "10m", "2h".
// A bare "0" is allowed; any other number without a unit is an error, because nobody agrees on
// which unit it would be.
#pragma once

#include <string>
#include <string_view>

#include "shared/core/result.hpp"
#include "shared/core/time.hpp"

namespace holdfast {

// At most 10,000 hours; never negative. Fractions below a millisecond are rounded down.
Result<Millis> parse_duration(std::string_view text);

// The shortest exact form: 90000ms -> "90s", 1500ms -> "1500ms".
std::string format_duration(Millis duration);

}  // namespace holdfast
