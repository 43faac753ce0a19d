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

constexpr std::int64_t kMaxMillis = 10'000LL * 3'600'000LL;

// Thrown inside decode() only; it never leaves this file.
struct BadField {
  std::string cause;
};

std::uint64_t number(const Json& object, const char* key, std::uint64_t fallback = 0,
                     std::uint64_t max = std::numeric_limits<std::int64_t>::max()) {
  const auto found = object.find(key);
  if (found == object.end()) return fallback;
  if (!found->is_number_integer() || (found->is_number_integer() && !found->is_number_unsigned())) {
    throw BadField{std::string(key) + " must be a number from 0"};
  }
  const auto value = found->get<std::uint64_t>();
  if (value > max) throw BadField{std::string(key) + " is too large"};
  return value;
}

std::string text(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return {};
  if (!found->is_string()) throw BadField{std::string(key) + " must be a string"};
  return found->get<std::string>();
}

std::vector<std::string> texts(const Json& object, const char* key) {
  std::vector<std::string> values;
  const auto found = object.find(key);
  if (found == object.end()) return values;
  if (!found->is_array() || found->size() > kMaxControlFds)
    throw BadField{std::string(key) + " must be an array"};
  for (const Json& item : *found) {
    if (!item.is_string()) throw BadField{std::string(key) + " must hold strings"};
    values.push_back(item.get<std::string>());
  }
  return values;
}

std::optional<Millis> millis(const Json& object, const char* key) {
  if (!object.contains(key)) return std::nullopt;
  return Millis{static_cast<std::int64_t>(number(object, key, 0, kMaxMillis))};
}

DrainReason reason(const Json& object) {
  const std::string name = text(object, "reason");
  for (const auto& [value, known] : kReasons) {
    if (name == known) return value;
  }
  throw BadField{"reason '" + name + "' is unknown"};
}

ProtocolRange protocol_range(const Json& object) {
  const auto found = object.find("protocol");
  if (found == object.end() || !found->is_object()) throw BadField{"protocol must be an object"};
  const ProtocolRange range{static_cast<int>(number(*found, "min", 1, 1'000'000)),
                            static_cast<int>(number(*found, "max", 1, 1'000'000))};
  if (range.min > range.max) throw BadField{"protocol.min is above protocol.max"};
  return range;
}

void put(Json& object, const char* key, const std::optional<Millis>& value) {
  if (value) object[key] = value->count();
}

Json options_json(const WorkerOptions& options) {
  Json object = Json::object();
  put(object, "stop_timeout_ms", options.stop_timeout);
  put(object, "kill_timeout_ms", options.kill_timeout);
  put(object, "new_grace_ms", options.new_grace);
  put(object, "idle_grace_ms", options.idle_grace);
  put(object, "orphan_timeout_ms", options.orphan_timeout);
  return object;
}

WorkerOptions read_options(const Json& message) {
  const auto found = message.find("options");
  if (found == message.end()) return {};
  if (!found->is_object()) throw BadField{"options must be an object"};
  return {millis(*found, "stop_timeout_ms"), millis(*found, "kill_timeout_ms"),
          millis(*found, "new_grace_ms"), millis(*found, "idle_grace_ms"),
          millis(*found, "orphan_timeout_ms")};
}

Welcome read_welcome(const Json& object) {
  Welcome welcome;
  welcome.protocol = static_cast<int>(number(object, "protocol", 1, 1'000'000));
  welcome.generation = {number(object, "generation")};
  welcome.worker = {number(object, "worker")};
  if (const auto found = object.find("listeners"); found != object.end()) {
    if (!found->is_array()) throw BadField{"listeners must be an array"};
    for (const Json& item : *found) {
      if (!item.is_object()) throw BadField{"listeners must hold objects"};
      welcome.listeners.push_back({text(item, "name"), text(item, "address")});
    }
  }
  welcome.fds = texts(object, "fds");
  if (welcome.listeners.size() + welcome.fds.size() > kMaxControlFds)
    throw BadField{"too many descriptors"};
  welcome.options = read_options(object);
  return welcome;
}

Drain read_drain(const Json& object) {
  Drain drain{reason(object), millis(object, "stop_timeout_ms").value_or(Millis{60'000}),
              IdlePolicy::Close};
  // A policy that this build does not know falls back to the one that every worker can do.
  text(object, "idle");
  return drain;
}

ControlMessage read(const std::string& type, const Json& object) {
  if (type == "hello") {
    return Hello{protocol_range(object),
                 static_cast<int>(number(object, "pid", 0, std::numeric_limits<int>::max())),
                 text(object, "library"), texts(object, "features")};
  }
  if (type == "ready") return Ready{};
  if (type == "accepting") return Accepting{};
  if (type == "paused") return Paused{};
  if (type == "draining") return Draining{reason(object)};
  if (type == "listeners_closed") return ListenersClosed{};
  if (type == "pong") return Pong{};
  if (type == "stats") {
    return Stats{number(object, "connections"), number(object, "idle"), number(object, "in_flight"),
                 number(object, "requests"), number(object, "responses_5xx")};
  }
  if (type == "drained") {
    return Drained{number(object, "served"), number(object, "handed_off"),
                   number(object, "closed_idle"), number(object, "cut"),
                   number(object, "log_lines_lost")};
  }
  if (type == "welcome") return read_welcome(object);
  if (type == "accept") return Accept{};
  if (type == "pause") return Pause{};
  if (type == "drain") return read_drain(object);
  if (type == "close_listeners") return CloseListeners{};
  if (type == "reopen_logs") return ReopenLogs{texts(object, "fds")};
  if (type == "ping") return Ping{};
  if (type == "stats?") return StatsRequest{};
  if (const auto required = object.find("required");
      required != object.end() && *required == true) {
    throw BadField{"required type '" + type + "' is unknown"};
  }
  return Unknown{type};
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
                 },
                 [&](const Draining& m) { object["reason"] = to_string(m.reason); },
                 [&](const Stats& m) {
                   object["connections"] = m.connections;
                   object["idle"] = m.idle;
                   object["in_flight"] = m.in_flight;
                   object["requests"] = m.requests;
                   object["responses_5xx"] = m.responses_5xx;
                 },
                 [&](const Drained& m) {
                   object["served"] = m.served;
                   object["handed_off"] = m.handed_off;
                   object["closed_idle"] = m.closed_idle;
                   object["cut"] = m.cut;
                   object["log_lines_lost"] = m.log_lines_lost;
                 },
                 [&](const Welcome& m) {
                   object["protocol"] = m.protocol;
                   object["generation"] = m.generation.value;
                   object["worker"] = m.worker.value;
                   object["listeners"] = Json::array();
                   for (const ListenerInfo& listener : m.listeners) {
                     object["listeners"].push_back(
                         {{"name", listener.name}, {"address", listener.address}});
                   }
                   object["fds"] = m.fds;
                   object["options"] = options_json(m.options);
                 },
                 [&](const Drain& m) {
                   object["reason"] = to_string(m.reason);
                   object["stop_timeout_ms"] = m.stop_timeout.count();
                   object["idle"] = "close";
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
          [](const Welcome&) -> std::string_view { return "welcome"; },
          [](const Accept&) -> std::string_view { return "accept"; },
          [](const Pause&) -> std::string_view { return "pause"; },
          [](const Drain&) -> std::string_view { return "drain"; },
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

Result<ControlMessage> decode(std::string_view datagram) {
  if (datagram.size() > kMaxControlMessage)
    return plain_error("read control message", "it is over 32 KiB");
  const Json object = Json::parse(datagram, nullptr, /*allow_exceptions=*/false);
  if (object.is_discarded() || !object.is_object()) {
    return plain_error("read control message", "it is not a JSON object");
  }
  try {
    const std::string type = text(object, "type");
    if (type.empty()) throw BadField{"it has no type"};
    return read(type, object);
  } catch (const BadField& bad) {
    return plain_error("read control message", bad.cause);
  }
}

std::size_t expected_fds(const ControlMessage& message) {
  if (const auto* welcome = std::get_if<Welcome>(&message))
    return welcome->listeners.size() + welcome->fds.size();
  if (const auto* reopen = std::get_if<ReopenLogs>(&message)) return reopen->fds.size();
  return 0;
}

}  // namespace holdfast
