// The header that a proxy sends before anything else to say who its client is: the PROXY protocol,
// versions 1 (text) and 2 (binary), as HAProxy's doc/proxy-protocol.txt describes it. Takes exactly
// the header's bytes, however they arrive: what follows belongs to TLS or HTTP.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "worker/core/ip_address.hpp"

namespace holdfast::worker {

inline constexpr std::size_t kMaxProxyLine = 107;  // of version 1, with its CRLF (2.1)
// Of version 2: the addresses take at most 232 bytes, and proxies add a few hundred of TLVs; the
// length field would allow 64 KiB to whoever connects.
inline constexpr std::size_t kMaxProxyHeader = 4096;

class ProxyHeaderReader {
 public:
  struct Source {
    IpAddress address;
    std::uint16_t port = 0;
  };

  // Takes the header's bytes off the front of `bytes` and returns how many they were: all of them
  // while the header is not complete, none once it is or is refused.
  std::size_t feed(std::string_view bytes);

  bool complete() const { return complete_; }
  // Why it is refused, static text; nullptr while all is well. Then the connection must be closed.
  const char* fault() const { return fault_; }
  bool begun() const { return !header_.empty(); }

  // Of a complete header: the client. Nothing when the proxy speaks for itself (LOCAL: a health
  // check) or does not know (UNKNOWN, UNSPEC, Unix): then the connection's own addresses hold.
  const std::optional<Source>& source() const { return source_; }

 private:
  std::size_t wanted() const;  // bytes up to the next decision
  void refuse(const char* why) { fault_ = why; }
  void check();
  void read_line();
  void read_binary();
  bool valid_tlvs(std::size_t begin);

  std::string header_;
  bool complete_ = false;
  const char* fault_ = nullptr;
  std::optional<Source> source_;
};

}  // namespace holdfast::worker
