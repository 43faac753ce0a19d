#include "worker/demo/demo_options.hpp"

#include <charconv>
#include <iostream>
#include <string_view>

namespace holdfast::demo {
namespace {

constexpr std::string_view kUsage =
    "usage: holdfast-demo [--listen ADDRESS] [--access-log TARGET] [--ready-delay D] [--fail-start "
    "CODE]\n"
    "                     [--crash-after D] [--answer-500-after D] [--header-timeout D]\n"
    "                     [--body-timeout D] [--keep-alive-timeout D] [--keep-alive-hint D]\n"
    "                     [--max-connections N]\n"
    "                     [--proxy-protocol LISTENER]... [--trusted-proxies CIDR[,CIDR]...]\n"
    "                     [--files DIR] [--ws-grace D] [--handshake-timeout D]\n"
    "                     [--tls-cert FILE --tls-key FILE [--tls-listener NAME]...]\n";

bool set(DemoOptions& options, std::string_view name, std::string_view value) {
  const auto duration = [&](std::chrono::milliseconds& into) {
    const auto parsed = parse_duration(value);
    if (parsed) into = *parsed;
    return parsed.has_value();
  };
  if (name == "--listen") return options.server.listen = value, true;
  if (name == "--access-log") return options.server.access_log = value, true;
  if (name == "--files") return options.files = value, true;
  if (name == "--ws-grace") return duration(options.ws_grace);
  if (name == "--ready-delay") return duration(options.ready_delay);
  if (name == "--crash-after") return duration(options.crash_after);
  if (name == "--answer-500-after") return duration(options.answer_500_after);
  if (name == "--header-timeout") return duration(options.server.header_timeout);
  if (name == "--body-timeout") return duration(options.server.body_timeout);
  if (name == "--keep-alive-timeout") return duration(options.server.keep_alive_timeout);
  if (name == "--keep-alive-hint") return duration(options.server.keep_alive_hint.emplace());
  if (name == "--tls-cert") return options.server.tls.certificate = value, true;
  if (name == "--tls-key") return options.server.tls.key = value, true;
  if (name == "--tls-listener") return options.server.tls.listeners.emplace_back(value), true;
  if (name == "--handshake-timeout") return duration(options.server.tls.handshake_timeout);
  if (name == "--proxy-protocol") return options.server.proxy_protocol.emplace_back(value), true;
  if (name == "--trusted-proxies") {
    for (std::size_t end = 0; end != value.npos;
         value.remove_prefix(end != value.npos ? end + 1 : 0)) {
      end = value.find(',');
      options.server.trusted_proxies.emplace_back(value.substr(0, end));
    }
    return true;
  }
  if (name == "--max-connections") {
    const auto [end, failed] =
        std::from_chars(value.data(), value.data() + value.size(), options.server.max_connections);
    return failed == std::errc{} && end == value.data() + value.size();
  }
  if (name == "--fail-start") {
    int code = 0;
    const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), code);
    options.fail_start = code;
    return failed == std::errc{} && end == value.data() + value.size();
  }
  return false;
}

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  double number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc{} || number < 0 || number > 1e9) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  const double scale = unit == "ms" ? 1 : unit == "s" ? 1e3 : unit == "m" ? 60e3 : 0;
  if (scale == 0) return std::nullopt;
  return std::chrono::milliseconds(static_cast<long long>(number * scale));
}

std::optional<DemoOptions> parse_options(int argc, char** argv) {
  DemoOptions options;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    if (i + 1 == argc || !set(options, name, argv[i + 1])) {
      std::cerr << "holdfast-demo: cannot use " << name << "\n" << kUsage;
      return std::nullopt;
    }
  }
  return options;
}

}  // namespace holdfast::demo
