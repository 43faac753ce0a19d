#include "worker/core/proxy_protocol.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>

namespace holdfast::worker {
namespace {

constexpr std::string_view kSignature{"\r\n\r\n\0\r\nQUIT\n", 12};  // of version 2 (2.2)
constexpr std::string_view kLine = "PROXY ";
constexpr std::size_t kFixed = 16;  // signature, version and command, family, length
constexpr std::uint8_t kTypeCrc32c = 0x03;

std::uint8_t byte_at(std::string_view text, std::size_t i) {
  return static_cast<std::uint8_t>(text[i]);
}

std::uint16_t number_at(std::string_view text, std::size_t i) {
  return static_cast<std::uint16_t>(byte_at(text, i) << 8 | byte_at(text, i + 1));
}

template <std::size_t N>
std::array<std::uint8_t, N> bytes_at(std::string_view text, std::size_t i) {
  std::array<std::uint8_t, N> bytes;
  for (std::size_t k = 0; k < N; ++k) bytes[k] = byte_at(text, i + k);
  return bytes;
}

// RFC 3720, B.4; bit by bit: it is 4 KiB once a connection, at most.
std::uint32_t crc32c(std::string_view bytes) {
  std::uint32_t crc = 0xffffffff;
  for (const char c : bytes) {
    crc ^= static_cast<std::uint8_t>(c);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
  }
  return ~crc;
}

// Takes the text up to the next space, or all that is left.
std::string_view take_word(std::string_view& line) {
  const std::size_t space = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(std::min(space + 1, line.size()));
  return word;
}

// 0 to 65535, without leading zeros (2.1).
std::optional<std::uint16_t> port(std::string_view text) {
  std::uint16_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failed != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (text.size() > 1 && text.front() == '0') return std::nullopt;
  return value;
}

std::optional<IpAddress> address(std::string_view text, bool v6) {
  // A mapped address in a TCP6 line is an IPv4 address to us, so the text tells the family.
  if ((text.find(':') != std::string_view::npos) != v6) return std::nullopt;
  return IpAddress::parse(text);
}

}  // namespace

std::size_t ProxyHeaderReader::feed(std::string_view bytes) {
  std::size_t taken = 0;
  while (!complete_ && fault_ == nullptr && taken < bytes.size()) {
    const std::string_view rest = bytes.substr(taken);
    std::size_t size = std::min(wanted(), rest.size());
    if (size == 0) {  // up to the line's end, and no farther than it may be
      size = std::min(rest.find('\n'), rest.size() - 1) + 1;
      size = std::min(size, kMaxProxyLine + 1 - header_.size());
    }
    header_ += rest.substr(0, size);
    taken += size;
    check();
  }
  return taken;
}

// 0: a line, to its end.
std::size_t ProxyHeaderReader::wanted() const {
  const std::size_t have = header_.size();
  if (have == 0) return 1;
  if (header_.front() == kLine.front()) return have < kLine.size() ? kLine.size() - have : 0;
  if (have < kFixed) return kFixed - have;
  return kFixed + number_at(header_, 14) - have;
}

void ProxyHeaderReader::check() {
  const std::string_view have = header_;
  if (have.front() == kLine.front()) {
    if (!kLine.starts_with(have.substr(0, kLine.size()))) return refuse("not a PROXY header");
    if (have.size() > kMaxProxyLine) return refuse("the line is too long");
    if (have.ends_with('\n')) read_line();
    return;
  }
  if (have.substr(0, kSignature.size()) != kSignature.substr(0, have.size()))
    return refuse("not a PROXY header");
  if (have.size() < kFixed) return;
  const std::size_t size = kFixed + number_at(have, 14);
  if (size > kMaxProxyHeader) return refuse("the header is too long");
  if (byte_at(have, 12) >> 4 != 2) return refuse("the version is not known");
  if (have.size() == size) read_binary();
}

void ProxyHeaderReader::read_line() {
  std::string_view line = header_;
  if (!line.ends_with("\r\n")) return refuse("the line does not end with CRLF");
  line.remove_suffix(2);
  line.remove_prefix(kLine.size());
  const std::string_view family = take_word(line);
  complete_ = true;
  if (family == "UNKNOWN") return;  // the rest of the line is to be ignored
  complete_ = false;
  if (family != "TCP4" && family != "TCP6") return refuse("the family is not known");
  const bool v6 = family == "TCP6";
  const auto from = address(take_word(line), v6);
  const auto to = address(take_word(line), v6);
  const auto from_port = port(take_word(line));
  const auto to_port = port(line);  // nothing may follow it
  if (!from || !to) return refuse("an address is malformed");
  if (!from_port || !to_port) return refuse("a port is malformed");
  source_ = Source{*from, *from_port};
  complete_ = true;
}

void ProxyHeaderReader::read_binary() {
  const std::string_view header = header_;
  const std::uint8_t command = byte_at(header, 12) & 0x0f;
  if (command > 1) return refuse("the command is not known");
  if (command == 0) {  // LOCAL: what follows is to be skipped
    complete_ = true;
    return;
  }
  const std::uint8_t family = byte_at(header, 13) >> 4;
  const std::uint8_t transport = byte_at(header, 13) & 0x0f;
  if (family > 3 || transport > 2) return refuse("the family is not known");
  constexpr std::array<std::size_t, 4> kAddresses{0, 12, 36, 216};
  const std::size_t tlvs = kFixed + kAddresses[family];
  if (header.size() < tlvs) return refuse("the addresses are cut short");
  // Behind UNSPEC the addresses' size is unknown, and so is where TLVs begin (2.2).
  if (family != 0 && !valid_tlvs(tlvs)) return;
  const bool stream = transport == 1;
  if (stream && family == 1)
    source_ =
        Source{IpAddress::from_v4(bytes_at<4>(header, kFixed)), number_at(header, kFixed + 8)};
  if (stream && family == 2)
    source_ =
        Source{IpAddress::from_v6(bytes_at<16>(header, kFixed)), number_at(header, kFixed + 32)};
  complete_ = true;
}

bool ProxyHeaderReader::valid_tlvs(std::size_t at) {
  while (at < header_.size()) {
    if (header_.size() - at < 3 || header_.size() - at - 3 < number_at(header_, at + 1)) {
      refuse("a TLV is cut short");
      return false;
    }
    const std::size_t length = number_at(header_, at + 1);
    if (byte_at(header_, at) == kTypeCrc32c) {
      // Over the whole header, with the checksum's own bytes zero (2.2.3).
      const std::size_t value = at + 3;
      std::string zeroed = header_;
      if (length == 4) zeroed.replace(value, 4, 4, '\0');
      const std::uint32_t told = length != 4 ? 0
                                             : std::uint32_t{number_at(header_, value)} << 16 |
                                                   number_at(header_, value + 2);
      if (length != 4 || crc32c(zeroed) != told) {
        refuse("the checksum is wrong");
        return false;
      }
    }
    at += 3 + length;
  }
  return true;
}

}  // namespace holdfast::worker
