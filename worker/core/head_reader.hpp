// What the parts of a request's head mean, fed one by one by whoever takes the head apart:
// scan_head from the raw bytes, RequestParser from Beast's callbacks. Both must come to the same
// reading, so there is one place for it. Views only; allocates nothing.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "worker/core/head_scan.hpp"

namespace holdfast::worker {

// Why a head is refused; status 0: it is not.
struct HeadFault {
  std::uint16_t status = 0;
  const char* reason = "";
  explicit operator bool() const noexcept { return status != 0; }
};

class HeadReader {
 public:
  // REQUIRES: `method` is a token, `target` has no control character or space, `minor` is 0 or 1.
  HeadFault request_line(std::string_view method, std::string_view target, std::uint8_t minor);

  // REQUIRES: `name` is a token, `value` a field's value without the white space around it.
  HeadFault field(std::string_view name, std::string_view value);

  // After the last field.
  HeadFault finish();

  const RequestHead& head() const noexcept { return head_; }

 private:
  HeadFault host(std::string_view value);
  HeadFault content_length(std::string_view value);
  HeadFault transfer_encoding(std::string_view value);
  HeadFault connection(std::string_view value);
  HeadFault expect(std::string_view value);

  RequestHead head_;
  bool has_host_ = false;
  bool authority_in_target_ = false;
  bool has_upgrade_ = false;
  bool says_close_ = false;
  bool says_keep_alive_ = false;
  bool says_upgrade_ = false;
};

// 1-128 of [A-Za-z0-9._:/=+-].
bool valid_request_id(std::string_view text);

// Sets of bytes, as tables.
using ByteTable = std::array<bool, 256>;

constexpr ByteTable alphanumeric_and(std::string_view others) {
  ByteTable table{};
  for (unsigned c = 0; c < 256; ++c) {
    table[c] = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  }
  for (const char c : others) table[static_cast<unsigned char>(c)] = true;
  return table;
}

// RFC 9110, 5.6.2.
inline constexpr ByteTable kTokenBytes = alphanumeric_and("!#$%&'*+-.^_`|~");

constexpr bool is_token_byte(char c) noexcept { return kTokenBytes[static_cast<unsigned char>(c)]; }

}  // namespace holdfast::worker
