#include "shared/core/control_message.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include <nlohmann/json.hpp>

#include "shared/core/overloaded.hpp"

namespace holdfast {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array kReasons{
    std::pair{DrainReason::Reload, "reload"},     std::pair{DrainReason::Shutdown, "shutdown"},
    std::pair{DrainReason::Scale, "scale"},       std::pair{DrainReason::Recycle, "recycle"},
    std::pair{DrainReason::Rollback, "rollback"}, std::pair{DrainReason::Orphaned, "orphaned"},
    std::pair{DrainReason::Operator, "operator"}};

void put(Json& object, const char* key, const std::optional<Millis>& value) {
  if (value) object[key] = value->count();
}

Json options_json(const WorkerOptions& options) {
  Json object = Json::object();
  put(object, "stop_timeout_ms", options.stop_timeout);
  put(object, "kill_timeout_ms", options.kill_timeout);
  put(object, "new_grace_ms", options.new_grace);
  put(object, "idle_grace_ms", options.idle_grace);
  put(object, "idle_spread_ms", options.idle_spread);
  put(object, "orphan_timeout_ms", options.orphan_timeout);
  put(object, "stop_timeout_max_ms", options.stop_timeout_max);
  return object;
}

Json listener_json(const ListenerStats& listener) {
  return {{"name", listener.name},
          {"accepted", listener.accepted},
          {"responses", listener.responses},
          {"bytes_received", listener.bytes_received},
          {"bytes_sent", listener.bytes_sent},
          {"latency_us", listener.latency_us},
          {"latency", listener.latency}};
}

Json fields(const ControlMessage& message) {
  Json object = Json::object();
  object["type"] = type_name(message);
  std::visit(overloaded{
                 [&](const Hello& m) {
                   object["protocol"] = {{"min", m.protocol.min}, {"max", m.protocol.max}};
                   object["pid"] = m.pid;
                   object["library"] = m.library;
                   object["features"] = m.features;
                   if (m.handoff)
                     object["handoff"] = {{"min", m.handoff->min}, {"max", m.handoff->max}};
                 },
                 [&](const Draining& m) { object["reason"] = to_string(m.reason); },
                 [&](const Stats& m) {
                   object["connections"] = m.connections;
                   object["idle"] = m.idle;
                   object["in_flight"] = m.in_flight;
                   object["requests"] = m.requests;
                   object["responses_5xx"] = m.responses_5xx;
                   if (m.tls_failures != 0) object["tls_failures"] = m.tls_failures;
                   if (m.proxy_failures != 0) object["proxy_failures"] = m.proxy_failures;
                   for (const ListenerStats& listener : m.listeners)
                     object["listeners"].push_back(listener_json(listener));
                 },
                 [&](const Drained& m) {
                   object["served"] = m.served;
                   object["handed_off"] = m.handed_off;
                   object["closed_idle"] = m.closed_idle;
                   object["cut"] = m.cut;
                   object["log_lines_lost"] = m.log_lines_lost;
                   if (m.cut_overtime != 0) object["cut_overtime"] = m.cut_overtime;
                   if (m.refused != 0) object["refused"] = m.refused;
                 },
                 [&](const Welcome& m) {
                   object["protocol"] = m.protocol;
                   object["generation"] = m.generation.value;
                   object["worker"] = m.worker.value;
                   object["listeners"] = Json::array();
                   for (const ListenerInfo& listener : m.listeners) {
                     object["listeners"].push_back(
                         {{"name", listener.name}, {"address", listener.address}});
                     if (listener.kept) object["listeners"].back()["kept"] = true;
                   }
                   object["fds"] = m.fds;
                   object["options"] = options_json(m.options);
                   for (const TicketKey& key : m.ticket_keys)
                     object["ticket_keys"].push_back(to_hex(key));
                   if (!m.label.empty()) object["label"] = m.label;
                 },
                 [&](const Drain& m) {
                   object["reason"] = to_string(m.reason);
                   object["stop_timeout_ms"] = m.stop_timeout.count();
                   object["idle"] = to_string(m.idle);
                   if (m.stop_timeout_max > m.stop_timeout)
                     object["stop_timeout_max_ms"] = m.stop_timeout_max.count();
                   if (!m.last_of.empty()) object["last_of"] = m.last_of;
                 },
                 [&](const Pause& m) {
                   if (!m.except.empty()) object["except"] = m.except;
                 },
                 [&](const CloseListeners& m) {
                   if (m.given_back) object["given_back"] = true;
                 },
                 [&](const HandoffDone& m) {
                   object["sent"] = m.sent;
                   object["taken"] = m.taken;
                   object["returned"] = m.returned;
                 },
                 [&](const Peer& m) {
                   object["role"] = m.role == Peer::Role::Give ? "give" : "take";
                   object["worker"] = m.worker.value;
                   object["generation"] = m.generation.value;
                   object["records"] = m.records;
                 },
                 [&](const ReopenLogs& m) { object["fds"] = m.fds; },
                 [](const auto&) {},
             },
             message);
  return object;
}

}  // namespace

std::optional<int> common_protocol(ProtocolRange ours, ProtocolRange theirs) {
  const int highest = std::min(ours.max, theirs.max);
  if (highest < ours.min || highest < theirs.min) return std::nullopt;
  return highest;
}

std::string_view to_string(DrainReason reason) {
  for (const auto& [value, name] : kReasons) {
    if (value == reason) return name;
  }
  return "unknown";
}

std::string_view to_string(IdlePolicy policy) {
  return policy == IdlePolicy::Handoff ? "handoff" : "close";
}

std::string_view type_name(const ControlMessage& message) {
  return std::visit(
      overloaded{
          [](const Hello&) -> std::string_view { return "hello"; },
          [](const Ready&) -> std::string_view { return "ready"; },
          [](const Accepting&) -> std::string_view { return "accepting"; },
          [](const Paused&) -> std::string_view { return "paused"; },
          [](const Draining&) -> std::string_view { return "draining"; },
          [](const ListenersClosed&) -> std::string_view { return "listeners_closed"; },
          [](const Pong&) -> std::string_view { return "pong"; },
          [](const Stats&) -> std::string_view { return "stats"; },
          [](const Drained&) -> std::string_view { return "drained"; },
          [](const HandoffDone&) -> std::string_view { return "handoff_done"; },
          [](const Welcome&) -> std::string_view { return "welcome"; },
          [](const Accept&) -> std::string_view { return "accept"; },
          [](const Pause&) -> std::string_view { return "pause"; },
          [](const LameDuck&) -> std::string_view { return "lame_duck"; },
          [](const Drain&) -> std::string_view { return "drain"; },
          [](const Peer&) -> std::string_view { return "peer"; },
          [](const CloseListeners&) -> std::string_view { return "close_listeners"; },
          [](const ReopenLogs&) -> std::string_view { return "reopen_logs"; },
          [](const Ping&) -> std::string_view { return "ping"; },
          [](const StatsRequest&) -> std::string_view { return "stats?"; },
          [](const Unknown& m) -> std::string_view { return m.type; },
      },
      message);
}

std::string encode(const ControlMessage& message) {
  return fields(message).dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool may_be_missed(const ControlMessage& message) {
  return std::holds_alternative<Peer>(message) || std::holds_alternative<ReopenLogs>(message) ||
         std::holds_alternative<Unknown>(message);
}

std::size_t expected_fds(const ControlMessage& message) {
  if (const auto* welcome = std::get_if<Welcome>(&message))
    return welcome->listeners.size() + welcome->fds.size();
  if (const auto* reopen = std::get_if<ReopenLogs>(&message)) return reopen->fds.size();
  return std::holds_alternative<Peer>(message) ? 1 : 0;
}

}  // namespace holdfast
