#include "supervisor/core/operator_message.hpp"

#include <nlohmann/json.hpp>

#include "shared/core/json_line.hpp"
#include "shared/core/overloaded.hpp"

namespace holdfast::supervisor {
namespace {

using Json = nlohmann::json;

Json request_head(const OperatorRequest& request) {
  Json json;
  json["holdfast"] = kOperatorProtocol;
  json["op"] = std::string(op_name(request));
  return json;
}

template <typename Fill>
std::string reply_line(std::string_view kind, Fill fill) {
  std::string out;
  JsonLine line(out);
  fill(line.number("holdfast", kOperatorProtocol).text("reply", kind));
  line.end();
  return out;
}

std::string reply_line(std::string_view kind) {
  return reply_line(kind, [](JsonLine&) {});
}

}  // namespace

std::string_view op_name(const OperatorRequest& request) {
  constexpr std::string_view kNames[] = {"status", "reload",      "stop",
                                         "scale",  "reopen_logs", "events"};
  static_assert(std::size(kNames) == std::variant_size_v<OperatorRequest>);
  return kNames[request.index()];
}

std::string_view to_string(ReloadWait wait) {
  switch (wait) {
    case ReloadWait::No:
      return "no";
    case ReloadWait::Committed:
      return "committed";
    case ReloadWait::Drained:
      return "drained";
  }
  return "no";
}

bool only_reads(const OperatorRequest& request) {
  return std::holds_alternative<StatusRequest>(request) ||
         std::holds_alternative<EventsRequest>(request);
}

std::string encode_request(const OperatorRequest& request) {
  Json json = request_head(request);
  std::visit(overloaded{[&](const ReloadOrder& order) {
                          if (order.wait != ReloadWait::No)
                            json["wait"] = std::string(to_string(order.wait));
                        },
                        [&](const StopOrder& order) {
                          if (order.now) json["now"] = true;
                        },
                        [&](const ScaleOrder& order) {
                          if (order.to) {
                            json["to"] = *order.to;
                          } else {
                            json["by"] = order.by;
                          }
                        },
                        [&](const EventsRequest& events) {
                          if (events.follow) json["follow"] = true;
                          if (events.output) json["output"] = true;
                        },
                        [](const auto&) {}},
             request);
  return json.dump();
}

std::string error_reply(std::string_view error, ExitCode code) {
  return reply_line("error", [&](JsonLine& line) {
    line.text("error", error).signed_number("code", to_int(code));
  });
}

std::string ok_reply() { return reply_line("ok"); }

std::string accepted_reply() { return reply_line("accepted"); }

std::string scaled_reply(std::size_t wanted_workers) {
  return reply_line("ok", [&](JsonLine& line) { line.number("wanted_workers", wanted_workers); });
}

std::string status_reply(std::string_view status_json) {
  return reply_line("status", [&](JsonLine& line) { line.raw("status", status_json); });
}

}  // namespace holdfast::supervisor
