#include "worker/core/handoff_message.hpp"

#include <limits>

#include <nlohmann/json.hpp>

#include "shared/core/overloaded.hpp"
#include "worker/core/ip_address.hpp"

namespace holdfast::worker {
namespace {

using Json = nlohmann::json;
using Micros = std::chrono::microseconds;

constexpr std::uint64_t kMaxSpan = 100ULL * 365 * 24 * 3600 * 1'000'000;  // us
constexpr std::size_t kRecordOverhead = 512;  // names, numbers and punctuation at their longest

Json to_json(const CarriedConnection& c) {
  Json object{{"id", {c.id.generation, c.id.worker, c.id.number}},
              {"listener", c.listener},
              {"peer", {c.peer.ip, c.peer.port}},
              {"requests", c.requests},
              {"age_us", c.age.count()}};
  if (c.client) object["client"] = {c.client->ip, c.client->port};
  if (c.fresh) object["fresh"] = true;
  if (c.left) object["left_us"] = c.left->count();
  if (!c.pending.empty()) {
    object["pending"] = c.pending.size();
    object["pending_us"] = c.pending_for.count();
  }
  if (!c.state.empty()) object["state"] = c.state.size();
  return object;
}

// Thrown inside decode_handoff() only.
struct BadRecord {
  const char* cause;
};

std::uint64_t number(const Json& value, std::uint64_t max) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > max)
    throw BadRecord{"a number is none, or too large"};
  return value.get<std::uint64_t>();
}

std::uint64_t number(const Json& object, const char* key, std::uint64_t max,
                     std::uint64_t fallback = 0) {
  const auto found = object.find(key);
  return found == object.end() ? fallback : number(*found, max);
}

const Json& array(const Json& object, const char* key, std::size_t at_most) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array() || found->size() > at_most)
    throw BadRecord{"an array is missing, or too long"};
  return *found;
}

Micros span(const Json& object, const char* key) {
  return Micros{static_cast<std::int64_t>(number(object, key, kMaxSpan))};
}

Endpoint endpoint(const Json& pair) {
  if (!pair.is_array() || pair.size() != 2 || !pair[0].is_string())
    throw BadRecord{"an address is malformed"};
  Endpoint read{pair[0].get<std::string>(), static_cast<std::uint16_t>(number(pair[1], 65'535))};
  if (!read.ip.empty() && !IpAddress::parse(read.ip)) throw BadRecord{"an address is malformed"};
  return read;
}

std::string take(std::string_view& bytes, std::size_t size) {
  if (size > bytes.size()) throw BadRecord{"bytes are missing"};
  std::string taken(bytes.substr(0, size));
  bytes.remove_prefix(size);
  return taken;
}

CarriedConnection connection(const Json& object, std::string_view& bytes) {
  if (!object.is_object()) throw BadRecord{"a connection is no object"};
  constexpr auto kAny = std::numeric_limits<std::uint64_t>::max();
  CarriedConnection c;
  const Json& id = array(object, "id", 3);
  if (id.size() != 3) throw BadRecord{"a connection has no id"};
  c.id = {number(id[0], kAny), number(id[1], kAny), number(id[2], kAny)};
  const auto listener = object.find("listener");
  if (listener == object.end() || !listener->is_string()) throw BadRecord{"it has no listener"};
  c.listener = listener->get<std::string>();
  c.peer = endpoint(array(object, "peer", 2));
  if (object.contains("client")) c.client = endpoint(object["client"]);
  c.fresh = object.value("fresh", Json()) == true;
  c.requests = number(object, "requests", std::numeric_limits<std::uint32_t>::max());
  c.age = span(object, "age_us");
  if (object.contains("left_us")) c.left = span(object, "left_us");
  c.pending_for = span(object, "pending_us");
  c.pending = take(bytes, number(object, "pending", kMaxPending));
  c.state = take(bytes, number(object, "state", kMaxCarriedState));
  return c;
}

Offer offer(const Json& object, std::string_view bytes) {
  constexpr auto kAny = std::numeric_limits<std::uint64_t>::max();
  Offer read{number(object, "batch", kAny), number(object, "generation", kAny), {}};
  for (const Json& item : array(object, "connections", kMaxOfferConnections))
    read.connections.push_back(connection(item, bytes));
  if (!bytes.empty()) throw BadRecord{"bytes are left over"};
  return read;
}

HandoffMessage message(const Json& object, std::string_view bytes) {
  constexpr auto kAny = std::numeric_limits<std::uint64_t>::max();
  const std::string type = object.value("type", "");
  if (type == "offer") return offer(object, bytes);
  if (!bytes.empty()) throw BadRecord{"bytes are left over"};
  const std::uint64_t batch = number(object, "batch", kAny);
  const std::uint64_t credit = number(object, "credit", kAny);
  if (type == "open") return OpenPeer{credit};
  if (type == "release") return ReleaseOffer{batch};
  if (type == "cancel") return CancelOffer{batch};
  if (type != "answer") throw BadRecord{"its type is unknown"};
  AnswerOffer answer{batch, {}, credit};
  for (const Json& place : array(object, "taken", kMaxOfferConnections))
    answer.taken.push_back(static_cast<std::uint32_t>(number(place, kMaxOfferConnections - 1)));
  return answer;
}

}  // namespace

std::size_t encoded_size(const CarriedConnection& c) {
  return kRecordOverhead + c.listener.size() + c.pending.size() + c.state.size();
}

std::string encode(const HandoffMessage& message) {
  Json object;
  std::string bytes;
  std::visit(
      overloaded{
          [&](const OpenPeer& m) {
            object = {{"type", "open"}, {"credit", m.credit}};
          },
          [&](const AnswerOffer& m) {
            object = {
                {"type", "answer"}, {"batch", m.batch}, {"taken", m.taken}, {"credit", m.credit}};
          },
          [&](const Offer& m) {
            object = {{"type", "offer"},
                      {"batch", m.batch},
                      {"generation", m.generation},
                      {"connections", Json::array()}};
            for (const CarriedConnection& c : m.connections) {
              object["connections"].push_back(to_json(c));
              bytes += c.pending;
              bytes += c.state;
            }
          },
          [&](const ReleaseOffer& m) {
            object = {{"type", "release"}, {"batch", m.batch}};
          },
          [&](const CancelOffer& m) {
            object = {{"type", "cancel"}, {"batch", m.batch}};
          },
      },
      message);
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + '\n' + bytes;
}

Result<HandoffMessage> decode_handoff(std::string_view datagram) {
  const std::size_t end = datagram.find('\n');  // JSON without one: dump() escapes it
  if (end == std::string_view::npos) return plain_error("read a handoff message", "it has no head");
  const Json object = Json::parse(datagram.substr(0, end), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return plain_error("read a handoff message", "it is no JSON object");
  try {
    return message(object, datagram.substr(end + 1));
  } catch (const BadRecord& bad) {
    return plain_error("read a handoff message", bad.cause);
  } catch (const Json::exception&) {  // "type" is no string
    return plain_error("read a handoff message", "a field is of the wrong kind");
  }
}

}  // namespace holdfast::worker
