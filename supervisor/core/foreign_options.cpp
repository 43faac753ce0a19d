#include "supervisor/core/foreign_options.hpp"

#include <array>

#include "shared/core/duration.hpp"

namespace holdfast::supervisor {
namespace {

constexpr std::array kProtocols{WorkerProtocol::Native, WorkerProtocol::Systemd,
                                WorkerProtocol::StartServer, WorkerProtocol::Einhorn};
// Long enough for a program that fails at once to have failed.
constexpr Millis kDefaultDelay{1'000};

void replace_all(std::string& text, std::string_view what, const std::string& with) {
  for (std::size_t at = text.find(what); at != std::string::npos;
       at = text.find(what, at + with.size())) {
    text.replace(at, what.size(), with);
  }
}

Result<ListenAddress> target_address(std::string_view text, std::string_view whole) {
  auto address = parse_listen_address(text);
  if (!address) return address.error();
  const auto* tcp = std::get_if<TcpAddress>(&*address);
  if (tcp != nullptr && (tcp->host.empty() || tcp->port == 0)) {
    return plain_error("ask " + std::string(whole), "it needs a host and a port");
  }
  return address;
}

}  // namespace

std::string_view to_string(WorkerProtocol protocol) {
  switch (protocol) {
    case WorkerProtocol::Native:
      return "native";
    case WorkerProtocol::Systemd:
      return "systemd";
    case WorkerProtocol::StartServer:
      return "start_server";
    case WorkerProtocol::Einhorn:
      return "einhorn";
  }
  return "native";
}

Result<WorkerProtocol> parse_protocol(std::string_view text) {
  for (const WorkerProtocol protocol : kProtocols) {
    if (text == to_string(protocol)) return protocol;
  }
  return plain_error("use the protocol " + std::string(text),
                     "it is none of native, systemd, start_server, einhorn");
}

Result<Readiness> parse_readiness(std::string_view text) {
  if (text == "notify") return Readiness{ReadinessKind::Notify};
  if (text == "ack") return Readiness{ReadinessKind::Ack};
  if (text == "delay") return Readiness{ReadinessKind::Delay, {}, kDefaultDelay};
  if (text.starts_with("delay=")) {
    HOLDFAST_ASSIGN(const Millis delay, parse_duration(text.substr(6)));
    return Readiness{ReadinessKind::Delay, {}, delay};
  }
  if (text.starts_with("tcp=")) {
    const std::string address(text.substr(4));
    HOLDFAST_TRY(target_address(with_numbers(address, GenerationId{1}, WorkerId{1}), text));
    return Readiness{ReadinessKind::Tcp, address};
  }
  return plain_error("use the readiness " + std::string(text),
                     "it is none of notify, ack, tcp=ADDRESS, delay[=D]");
}

Readiness default_readiness(WorkerProtocol protocol) {
  switch (protocol) {
    case WorkerProtocol::Native:
    case WorkerProtocol::Systemd:
      return {ReadinessKind::Notify};
    case WorkerProtocol::Einhorn:
      return {ReadinessKind::Ack};
    case WorkerProtocol::StartServer:
      return {ReadinessKind::Delay, {}, kDefaultDelay};
  }
  return {};
}

Result<ProbeTarget> parse_probe(std::string_view text) {
  constexpr std::string_view kTcp = "tcp:";
  constexpr std::string_view kHttp = "http://";
  if (text.starts_with(kTcp)) {
    HOLDFAST_ASSIGN(ListenAddress address, target_address(text.substr(kTcp.size()), text));
    return ProbeTarget{std::move(address)};
  }
  if (text.starts_with(kHttp)) {
    const std::string_view rest = text.substr(kHttp.size());
    const std::size_t slash = std::min(rest.find('/'), rest.size());
    std::string path(rest.substr(slash));
    if (path.empty()) path = "/";
    if (path.find_first_of(" \r\n\t") != std::string::npos) {
      return plain_error("ask " + std::string(text), "a path has no spaces");
    }
    HOLDFAST_ASSIGN(ListenAddress address, target_address(rest.substr(0, slash), text));
    return ProbeTarget{std::move(address), std::move(path)};
  }
  return plain_error("ask " + std::string(text), "it is neither tcp:ADDRESS nor http://HOST:PORT/");
}

std::string with_numbers(std::string text, GenerationId generation, WorkerId worker) {
  replace_all(text, "{generation}", std::to_string(generation.value));
  replace_all(text, "{worker}", std::to_string(worker.value));
  return text;
}

}  // namespace holdfast::supervisor
