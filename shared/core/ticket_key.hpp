// A key for TLS session tickets (RFC 5077, section 4): what a worker hands to clients sealed with
// it, another worker of this supervisor can open. So sessions resume across generations. Whoever
// has the key can impersonate the sessions: it lives in memory only and is overwritten when it
// goes.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace holdfast {

struct TicketKey {
  static constexpr std::size_t kNameSize = 16;    // sent in clear with each ticket
  static constexpr std::size_t kMacSize = 32;     // HMAC-SHA256
  static constexpr std::size_t kCipherSize = 32;  // AES-256-CBC

  std::array<unsigned char, kNameSize + kMacSize + kCipherSize> bytes{};

  TicketKey() = default;
  TicketKey(const TicketKey&) = default;
  TicketKey& operator=(const TicketKey&) = default;
  ~TicketKey();
  bool operator==(const TicketKey&) const = default;

  std::span<const unsigned char> name() const { return std::span(bytes).first<kNameSize>(); }
  std::span<const unsigned char> mac() const {
    return std::span(bytes).subspan<kNameSize, kMacSize>();
  }
  std::span<const unsigned char> cipher() const { return std::span(bytes).last<kCipherSize>(); }
};

// 160 hexadecimal digits, in the order of the bytes.
std::string to_hex(const TicketKey& key);
std::optional<TicketKey> ticket_key_from_hex(std::string_view text);

}  // namespace holdfast
