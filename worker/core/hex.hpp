#pragma once

#include <cstdint>
#include <cstring>

namespace holdfast::worker {

// 16 hexadecimal digits.
inline void write_hex(char* at, std::uint64_t value) {
  // Every request asks: all digits at once, a nibble in each byte.
  constexpr std::uint64_t kOnes = 0x0101010101010101;
  for (int half = 1; half >= 0; --half, value >>= 32) {
    std::uint64_t spread = value & 0xffffffff;
    spread = (spread | spread << 16) & 0x0000ffff0000ffff;
    spread = (spread | spread << 8) & 0x00ff00ff00ff00ff;
    spread = (spread | spread << 4) & 0x0f0f0f0f0f0f0f0f;
    const std::uint64_t letters = (spread + kOnes * 6) >> 4 & kOnes;  // where the digit is above 9
    spread += kOnes * '0' + letters * ('a' - '0' - 10);
    spread = __builtin_bswap64(spread);
    std::memcpy(at + 8 * half, &spread, sizeof spread);
  }
}

}  // namespace holdfast::worker
