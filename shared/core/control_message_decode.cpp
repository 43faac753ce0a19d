// Reading control messages: tolerant of what is new, strict about what is known.
#include <algorithm>
#include <limits>

#include <nlohmann/json.hpp>

#include "shared/core/control_message.hpp"

namespace holdfast {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::uint64_t kMaxNumber = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kMaxMillis = 10'000LL * 3'600'000LL;

// Thrown inside decode() only; it never leaves this file.
struct BadField {
  std::string cause;
};

std::uint64_t number(const Json& object, const char* key, std::uint64_t fallback = 0,
                     std::uint64_t max = kMaxNumber) {
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

bool flag(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end()) return false;
  if (!found->is_boolean()) throw BadField{std::string(key) + " must be true or false"};
  return found->get<bool>();
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
  for (int value = 0; value <= static_cast<int>(DrainReason::Operator); ++value) {
    const auto known = static_cast<DrainReason>(value);
    if (name == to_string(known)) return known;
  }
  throw BadField{"reason '" + name + "' is unknown"};
}

ProtocolRange protocol_range(const Json& object, const std::string& key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object()) throw BadField{key + " must be an object"};
  const ProtocolRange range{static_cast<int>(number(*found, "min", 1, 1'000'000)),
                            static_cast<int>(number(*found, "max", 1, 1'000'000))};
  if (range.min > range.max) throw BadField{key + ".min is above " + key + ".max"};
  return range;
}

template <std::size_t Size>
std::array<std::uint64_t, Size> counts(const Json& object, const char* key) {
  std::array<std::uint64_t, Size> values{};
  const auto found = object.find(key);
  if (found == object.end()) return values;
  if (!found->is_array() || found->size() != Size)
    throw BadField{std::string(key) + " must be an array of " + std::to_string(Size)};
  for (std::size_t i = 0; i < Size; ++i) {
    if (!(*found)[i].is_number_unsigned())
      throw BadField{std::string(key) + " must hold numbers from 0"};
    values[i] = std::min((*found)[i].template get<std::uint64_t>(), kMaxNumber);
  }
  return values;
}

Stats read_stats(const Json& object) {
  Stats stats{number(object, "connections"),   number(object, "idle"),
              number(object, "in_flight"),     number(object, "requests"),
              number(object, "responses_5xx"), number(object, "tls_failures"),
              number(object, "proxy_failures")};
  const auto found = object.find("listeners");
  if (found == object.end()) return stats;
  if (!found->is_array() || found->size() > kMaxControlFds)
    throw BadField{"listeners must be an array"};
  for (const Json& item : *found) {
    if (!item.is_object()) throw BadField{"listeners must hold objects"};
    stats.listeners.push_back({text(item, "name"), number(item, "accepted"),
                               counts<5>(item, "responses"), number(item, "bytes_received"),
                               number(item, "bytes_sent"), number(item, "latency_us"),
                               counts<kLatencyBounds.size() + 1>(item, "latency")});
  }
  return stats;
}

Hello read_hello(const Json& object) {
  Hello hello{protocol_range(object, "protocol"),
              static_cast<int>(number(object, "pid", 0, std::numeric_limits<int>::max())),
              text(object, "library"), texts(object, "features")};
  if (object.contains("handoff")) hello.handoff = protocol_range(object, "handoff");
  return hello;
}

Peer read_peer(const Json& object) {
  const std::string role = text(object, "role");
  if (role != "give" && role != "take") throw BadField{"role '" + role + "' is unknown"};
  return {role == "give" ? Peer::Role::Give : Peer::Role::Take,
          {number(object, "worker")},
          {number(object, "generation")},
          static_cast<int>(number(object, "records", 1, 1'000'000))};
}

WorkerOptions read_options(const Json& message) {
  const auto found = message.find("options");
  if (found == message.end()) return {};
  if (!found->is_object()) throw BadField{"options must be an object"};
  return {millis(*found, "stop_timeout_ms"),    millis(*found, "kill_timeout_ms"),
          millis(*found, "new_grace_ms"),       millis(*found, "idle_grace_ms"),
          millis(*found, "idle_spread_ms"),     millis(*found, "orphan_timeout_ms"),
          millis(*found, "stop_timeout_max_ms")};
}

std::vector<TicketKey> read_ticket_keys(const Json& message) {
  std::vector<TicketKey> keys;
  const auto found = message.find("ticket_keys");
  if (found == message.end()) return keys;
  if (!found->is_array() || found->size() > kMaxTicketKeys)
    throw BadField{"ticket_keys must be an array of at most 8"};
  for (const Json& item : *found) {
    const auto key =
        item.is_string() ? ticket_key_from_hex(item.get_ref<const std::string&>()) : std::nullopt;
    if (!key) throw BadField{"ticket_keys must hold 160 hexadecimal digits each"};
    keys.push_back(*key);
  }
  return keys;
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
      welcome.listeners.push_back({text(item, "name"), text(item, "address"), flag(item, "kept")});
    }
  }
  welcome.fds = texts(object, "fds");
  if (welcome.listeners.size() + welcome.fds.size() > kMaxControlFds)
    throw BadField{"too many descriptors"};
  welcome.options = read_options(object);
  welcome.ticket_keys = read_ticket_keys(object);
  welcome.label = text(object, "label");
  return welcome;
}

Drain read_drain(const Json& object) {
  Drain drain{reason(object), millis(object, "stop_timeout_ms").value_or(Millis{60'000}),
              IdlePolicy::Close, millis(object, "stop_timeout_max_ms").value_or(Millis{0})};
  // A policy that this build does not know falls back to the one that every worker can do.
  if (text(object, "idle") == to_string(IdlePolicy::Handoff)) drain.idle = IdlePolicy::Handoff;
  drain.last_of = texts(object, "last_of");
  return drain;
}

ControlMessage read(const std::string& type, const Json& object) {
  if (type == "hello") return read_hello(object);
  if (type == "ready") return Ready{};
  if (type == "accepting") return Accepting{};
  if (type == "paused") return Paused{};
  if (type == "draining") return Draining{reason(object)};
  if (type == "listeners_closed") return ListenersClosed{};
  if (type == "pong") return Pong{};
  if (type == "stats") return read_stats(object);
  if (type == "drained") {
    return Drained{number(object, "served"),         number(object, "handed_off"),
                   number(object, "closed_idle"),    number(object, "cut"),
                   number(object, "log_lines_lost"), number(object, "cut_overtime"),
                   number(object, "refused")};
  }
  if (type == "handoff_done")
    return HandoffDone{number(object, "sent"), number(object, "taken"), number(object, "returned")};
  if (type == "welcome") return read_welcome(object);
  if (type == "accept") return Accept{};
  if (type == "pause") return Pause{texts(object, "except")};
  if (type == "lame_duck") return LameDuck{};
  if (type == "drain") return read_drain(object);
  if (type == "peer") return read_peer(object);
  if (type == "close_listeners") return CloseListeners{flag(object, "given_back")};
  if (type == "reopen_logs") return ReopenLogs{texts(object, "fds")};
  if (type == "ping") return Ping{};
  if (type == "stats?") return StatsRequest{};
  if (const auto required = object.find("required");
      required != object.end() && *required == true) {
    throw BadField{"required type '" + type + "' is unknown"};
  }
  return Unknown{type};
}

}  // namespace

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

}  // namespace holdfast
