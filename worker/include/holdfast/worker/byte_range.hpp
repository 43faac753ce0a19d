// One byte range of a representation whose size is known (RFC 9110, section 14). Pure.
//
//   const RangeChoice choice = choose_range(request.header("Range"), size);
//
// Whole: 200 and everything; Part: 206 with Content-Range; Unsatisfiable: 416 with Content-Range.
// Only for GET (14.2), and not where If-Range names another representation (13.1.5).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "holdfast/export.h"

namespace holdfast::worker {

struct RangeChoice {
  enum class Verdict : std::uint8_t { Whole, Part, Unsatisfiable };
  Verdict verdict = Verdict::Whole;
  std::uint64_t offset = 0;  // what to send, with Whole too: offset + length <= size
  std::uint64_t length = 0;
};

// `field` is the value of Range, empty when there is none. Several ranges, another unit and what
// does not parse are ignored, as a server may: Whole.
HOLDFAST_API RangeChoice choose_range(std::string_view field, std::uint64_t size) noexcept;

// The value of Content-Range: "bytes 0-499/1234" of a Part, "bytes */1234" of an Unsatisfiable.
// REQUIRES: not Whole.
HOLDFAST_API std::string content_range(const RangeChoice& choice, std::uint64_t size);

}  // namespace holdfast::worker
