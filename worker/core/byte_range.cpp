#include "holdfast/worker/byte_range.hpp"

#include <algorithm>
#include <limits>
#include <optional>

#include "worker/core/ascii.hpp"
#include "worker/core/trim.hpp"

namespace holdfast::worker {
namespace {

constexpr std::string_view kUnit = "bytes=";

// 1*DIGIT; a position beyond every size is as good as the largest.
std::optional<std::uint64_t> number(std::string_view text) {
  constexpr std::uint64_t kMax = std::numeric_limits<std::uint64_t>::max();
  if (text.empty()) return std::nullopt;
  std::uint64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const auto digit = static_cast<std::uint64_t>(c - '0');
    value = value > (kMax - digit) / 10 ? kMax : value * 10 + digit;
  }
  return value;
}

}  // namespace

RangeChoice choose_range(std::string_view field, std::uint64_t size) noexcept {
  using Verdict = RangeChoice::Verdict;
  const RangeChoice whole{Verdict::Whole, 0, size};
  constexpr RangeChoice kNone{Verdict::Unsatisfiable, 0, 0};
  if (field.size() < kUnit.size() || !equals_ignoring_case(field.substr(0, kUnit.size()), kUnit))
    return whole;
  const std::string_view spec = trim(field.substr(kUnit.size()));
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return whole;
  const auto last = number(spec.substr(dash + 1));
  if (dash == 0) {
    if (!last) return whole;
    if (*last == 0) return kNone;
    // 14.1.2: a suffix longer than the representation is all of it, which may be nothing.
    if (size == 0) return whole;
    const std::uint64_t length = std::min(*last, size);
    return {Verdict::Part, size - length, length};
  }
  const auto first = number(spec.substr(0, dash));
  if (!first || (!last && dash + 1 != spec.size()) || (last && *last < *first)) return whole;
  if (*first >= size) return kNone;
  return {Verdict::Part, *first, std::min(last.value_or(size - 1), size - 1) - *first + 1};
}

std::string content_range(const RangeChoice& choice, std::uint64_t size) {
  const std::string total = "/" + std::to_string(size);
  if (choice.verdict != RangeChoice::Verdict::Part) return "bytes *" + total;
  return "bytes " + std::to_string(choice.offset) + "-" +
         std::to_string(choice.offset + choice.length - 1) + total;
}

}  // namespace holdfast::worker
