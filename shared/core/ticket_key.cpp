#include "shared/core/ticket_key.hpp"

#include <cstring>

namespace holdfast {
namespace {

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

TicketKey::~TicketKey() { ::explicit_bzero(bytes.data(), bytes.size()); }

std::string to_hex(const TicketKey& key) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * key.bytes.size());
  for (const unsigned char byte : key.bytes) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text;
}

std::optional<TicketKey> ticket_key_from_hex(std::string_view text) {
  TicketKey key;
  if (text.size() != 2 * key.bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < key.bytes.size(); ++i) {
    const int high = digit(text[2 * i]);
    const int low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    key.bytes[i] = static_cast<unsigned char>(high * 16 + low);
  }
  return key;
}

}  // namespace holdfast
