// What an operator asks, read: taken whole or refused.
#include <algorithm>

#include <nlohmann/json.hpp>

#include "shared/core/json_line.hpp"
#include "supervisor/core/operator_message.hpp"

namespace holdfast::supervisor {
namespace {

using Json = nlohmann::json;

Error refused(std::string_view verb, std::string_view cause) {
  std::string shown;  // the cause may quote what a stranger sent
  append_json_text(shown, cause, 200);
  return plain_error(verb, shown);
}

// Behind "cannot".
std::string verb_of(const std::string& op) {
  if (op == "status") return "tell the status";
  if (op == "events") return "tell events";
  if (op == "reopen_logs") return "reopen logs";
  return op;
}

// Reads the fields of one request; the first fault is the one that is told.
class Fields {
 public:
  Fields(const Json& json, std::string verb) : json_(json), verb_(std::move(verb)) {}

  bool flag(const char* name) {
    const Json* value = take(name);
    if (value == nullptr) return false;
    if (!value->is_boolean()) fault(name, "is neither true nor false");
    return value->is_boolean() && value->get<bool>();
  }

  std::optional<std::int64_t> number(const char* name, std::int64_t low, std::int64_t high) {
    const Json* value = take(name);
    if (value == nullptr) return std::nullopt;
    // An unsigned one beyond int64 would come out negative.
    const bool fits = value->is_number_integer() &&
                      (!value->is_number_unsigned() ||
                       value->get<std::uint64_t>() <= static_cast<std::uint64_t>(high)) &&
                      value->get<std::int64_t>() >= low && value->get<std::int64_t>() <= high;
    if (fits) return value->get<std::int64_t>();
    fault(name, "is no number from " + std::to_string(low) + " to " + std::to_string(high));
    return std::nullopt;
  }

  std::string word(const char* name, const std::vector<std::string>& allowed) {
    const Json* value = take(name);
    if (value == nullptr) return {};
    if (value->is_string()) {
      const auto& text = value->get_ref<const std::string&>();
      if (std::ranges::find(allowed, text) != allowed.end()) return text;
    }
    std::string known;
    for (const std::string& each : allowed) known += (known.empty() ? "" : " or ") + each;
    fault(name, "is not " + known);
    return {};
  }

  void fault(std::string_view name, std::string_view cause) {
    if (!fault_) fault_ = refused(verb_, std::string(name) + " " + std::string(cause));
  }

  // Of the first fault, or of a field that nobody took.
  std::optional<Error> finish() {
    for (const auto& [name, value] : json_.items()) {
      if (!fault_ && std::ranges::find(taken_, name) == taken_.end())
        fault_ = refused(verb_, "there is no field '" + name + "'");
    }
    return fault_;
  }

 private:
  const Json* take(const char* name) {
    taken_.emplace_back(name);
    const auto found = json_.find(name);
    return found == json_.end() ? nullptr : &*found;
  }

  const Json& json_;
  std::string verb_;
  std::vector<std::string> taken_{"holdfast", "op"};
  std::optional<Error> fault_;
};

ScaleOrder read_scale(Fields& fields) {
  ScaleOrder order;
  order.to = fields.number("to", 1, kMaxScale);
  const auto by = fields.number("by", -kMaxScale, kMaxScale);
  if (order.to.has_value() == by.has_value()) fields.fault("to", "or by must be there, not both");
  order.by = by.value_or(0);
  return order;
}

ReloadOrder read_reload(Fields& fields) {
  const std::string wait = fields.word("wait", {"committed", "drained"});
  if (wait.empty()) return {};
  return {wait == "drained" ? ReloadWait::Drained : ReloadWait::Committed};
}

std::optional<OperatorRequest> read_op(const std::string& op, Fields& fields) {
  if (op == "status") return StatusRequest{};
  if (op == "reload") return read_reload(fields);
  if (op == "stop") return StopOrder{fields.flag("now")};
  if (op == "scale") return read_scale(fields);
  if (op == "reopen_logs") return ReopenLogsOrder{};
  if (op == "events") {
    EventsRequest request;
    request.follow = fields.flag("follow");
    request.output = fields.flag("output");
    return request;
  }
  return std::nullopt;
}

}  // namespace

Result<OperatorRequest> decode_request(std::string_view line) {
  constexpr std::string_view kVerb = "read the request";
  if (line.size() > kMaxOperatorLine) return plain_error(kVerb, "it is longer than 8 KiB");
  const Json json = Json::parse(line, nullptr, false);
  if (json.is_discarded() || !json.is_object()) return plain_error(kVerb, "it is no JSON object");
  const auto version = json.find("holdfast");
  if (version == json.end() || !version->is_number_integer())
    return plain_error(kVerb, "it has no version, \"holdfast\":1");
  if (*version != kOperatorProtocol)
    return plain_error(kVerb, "this supervisor speaks version 1 of the protocol");
  const auto op = json.find("op");
  if (op == json.end() || !op->is_string()) return plain_error(kVerb, "it has no op");
  const auto& name = op->get_ref<const std::string&>();
  Fields fields(json, verb_of(name));
  const auto request = read_op(name, fields);
  if (!request) return refused(kVerb, "there is no op '" + name + "'");
  if (const auto fault = fields.finish()) return *fault;
  return {boost::system::in_place_value, *request};
}

bool OperatorLines::add(std::string_view bytes) {
  buffer_ += bytes;
  return buffer_.size() <= kMaxOperatorLine || buffer_.find('\n') <= kMaxOperatorLine;
}

std::optional<std::string> OperatorLines::next() {
  const std::size_t end = buffer_.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = buffer_.substr(0, end);
  buffer_.erase(0, end + 1);
  return line;
}

}  // namespace holdfast::supervisor
