#include "shared/core/duration.hpp"

#include <cstdint>

namespace holdfast {
namespace {

Error bad_duration(std::string_view text, std::string_view cause) {
  return plain_error("parse duration '" + std::string(text) + "'", cause);
}

std::int64_t unit_micros(std::string_view unit) {
  if (unit == "us") return 1;
  if (unit == "ms") return 1'000;
  if (unit == "s") return 1'000'000;
  if (unit == "m" || unit == "min") return 60'000'000;
  if (unit == "h") return 3'600'000'000;
  return 0;
}

}  // namespace

Result<Millis> parse_duration(std::string_view text) {
  constexpr std::int64_t kMaxMicros = 10'000LL * 3'600'000'000LL;
  std::size_t i = 0;
  std::int64_t whole = 0;
  const auto digit = [&] { return i < text.size() && text[i] >= '0' && text[i] <= '9'; };
  for (; digit(); ++i) {
    whole = whole * 10 + (text[i] - '0');
    if (whole > kMaxMicros) return bad_duration(text, "too long");
  }
  if (i == 0) return bad_duration(text, "expected a number and a unit, like 30s or 500ms");
  std::int64_t fraction = 0;
  std::int64_t scale = 1;
  if (i < text.size() && text[i] == '.') {
    const std::size_t point = i++;
    for (; digit(); ++i) {
      if (scale < 1'000'000) {
        fraction = fraction * 10 + (text[i] - '0');
        scale *= 10;
      }
    }
    if (i == point + 1) return bad_duration(text, "expected digits after the point");
  }
  const std::string_view unit = text.substr(i);
  if (unit.empty() && whole == 0 && fraction == 0) return Millis{0};
  if (unit.empty()) return bad_duration(text, "a unit is missing: us, ms, s, m or h");
  const std::int64_t micros = unit_micros(unit);
  if (micros == 0)
    return bad_duration(text, "unknown unit '" + std::string(unit) + "'; use us, ms, s, m or h");
  if (whole > kMaxMicros / micros) return bad_duration(text, "too long");
  const std::int64_t total = whole * micros + fraction * micros / scale;
  if (total > kMaxMicros) return bad_duration(text, "too long");
  return Millis{total / 1'000};
}

std::string format_duration(Millis duration) {
  const auto ms = duration.count();
  if (ms == 0) return "0s";
  if (ms % 3'600'000 == 0) return std::to_string(ms / 3'600'000) + "h";
  if (ms % 60'000 == 0) return std::to_string(ms / 60'000) + "m";
  if (ms % 1'000 == 0) return std::to_string(ms / 1'000) + "s";
  return std::to_string(ms) + "ms";
}

}  // namespace holdfast
