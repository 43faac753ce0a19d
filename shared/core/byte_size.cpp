#include "shared/core/byte_size.hpp"

#include <charconv>
#include <string>

namespace holdfast {
namespace {

Error bad_size(std::string_view text, std::string_view cause) {
  return plain_error("parse size '" + std::string(text) + "'", cause);
}

int unit_bits(std::string_view unit) {
  if (unit == "B") return 0;
  if (unit == "KiB") return 10;
  if (unit == "MiB") return 20;
  if (unit == "GiB") return 30;
  if (unit == "TiB") return 40;
  return -1;
}

}  // namespace

Result<std::uint64_t> parse_byte_size(std::string_view text) {
  constexpr std::uint64_t kMost = std::uint64_t{1'024} << 40U;
  std::uint64_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, failed] = std::from_chars(text.data(), last, value);
  if (failed == std::errc::result_out_of_range) return bad_size(text, "too large");
  if (failed != std::errc{}) return bad_size(text, "expected a number and a unit, like 256MiB");
  const std::string_view unit(end, static_cast<std::size_t>(last - end));
  if (unit.empty() && value == 0) return value;
  if (unit.empty()) return bad_size(text, "a unit is missing: B, KiB, MiB, GiB or TiB");
  const int bits = unit_bits(unit);
  if (bits < 0) {
    return bad_size(text, "unknown unit '" + std::string(unit) + "'; use B, KiB, MiB, GiB or TiB");
  }
  if (value > (kMost >> static_cast<unsigned>(bits))) return bad_size(text, "too large");
  return value << static_cast<unsigned>(bits);
}

}  // namespace holdfast
