#include "worker/core/forwarded.hpp"

#include <algorithm>

#include "worker/core/trim.hpp"

namespace holdfast::worker {
namespace {

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

Result<TrustedProxies> TrustedProxies::parse(const std::vector<std::string>& networks) {
  TrustedProxies trusted;
  for (const std::string& text : networks) {
    if (text == "unix:") {
      trusted.unix_ = true;
      continue;
    }
    HOLDFAST_ASSIGN(const IpNetwork network, IpNetwork::parse(text));
    trusted.networks_.push_back(network);
  }
  return trusted;
}

bool TrustedProxies::trusts(const std::optional<IpAddress>& peer) const {
  if (!peer) return unix_;
  return std::any_of(networks_.begin(), networks_.end(),
                     [&](const IpNetwork& network) { return network.contains(*peer); });
}

std::optional<IpAddress> parse_forwarded(std::string_view element) {
  if (element.starts_with('[')) {
    const std::size_t close = element.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    const std::string_view port = element.substr(close + 1);
    if (!port.empty() && (port.front() != ':' || !is_port(port.substr(1)))) return std::nullopt;
    const std::string_view inside = element.substr(1, close - 1);
    if (inside.find(':') == std::string_view::npos) return std::nullopt;
    return IpAddress::parse(inside);
  }
  const std::size_t colon = element.find(':');
  if (colon != std::string_view::npos && element.find(':', colon + 1) == std::string_view::npos) {
    if (!is_port(element.substr(colon + 1))) return std::nullopt;
    element = element.substr(0, colon);
  }
  return IpAddress::parse(element);
}

void ForwardedWalk::field(std::string_view value) {
  while (going_) {
    const std::size_t comma = value.rfind(',');
    const std::string_view element =
        trim(comma == std::string_view::npos ? value : value.substr(comma + 1));
    // An empty element is nobody's word (RFC 9110, 5.6.1.2).
    if (!element.empty()) {
      const auto address = parse_forwarded(element);
      if (address) client_ = address;
      going_ = address && trusted_.trusts(address);
    }
    if (comma == std::string_view::npos) return;
    value = value.substr(0, comma);
  }
}

}  // namespace holdfast::worker
