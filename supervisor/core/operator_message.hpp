// What an operator says to the supervisor over the control socket, and what comes back: JSON
// objects, one a line (docs/control_socket.md). A request is taken whole or refused: unknown
// fields are errors, because an old supervisor that skips a condition does more than was asked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shared/core/exit_code.hpp"
#include "shared/core/ids.hpp"
#include "shared/core/result.hpp"

namespace holdfast::supervisor {

inline constexpr int kOperatorProtocol = 1;
inline constexpr std::size_t kMaxOperatorLine = 8 * 1024;  // of a request
// Of a scale: as many workers as `run` takes.
inline constexpr std::int64_t kMaxScale = 1'024;

struct StatusRequest {
  bool operator==(const StatusRequest&) const = default;
};
enum class ReloadWait : std::uint8_t { No, Committed, Drained };
struct ReloadOrder {
  ReloadWait wait = ReloadWait::No;
  bool operator==(const ReloadOrder&) const = default;
};
struct StopOrder {
  bool now = false;
  bool operator==(const StopOrder&) const = default;
};
struct ScaleOrder {
  std::int64_t by = 0;
  std::optional<std::int64_t> to = {};  // instead of by
  bool operator==(const ScaleOrder&) const = default;
};
struct ReopenLogsOrder {
  bool operator==(const ReopenLogsOrder&) const = default;
};
struct EventsRequest {
  bool follow = false;
  bool output = false;  // what workers print, too; only while it follows
  bool operator==(const EventsRequest&) const = default;
};

using OperatorRequest =
    std::variant<StatusRequest, ReloadOrder, StopOrder, ScaleOrder, ReopenLogsOrder, EventsRequest>;

// "status", "reload", ...
std::string_view op_name(const OperatorRequest& request);
std::string_view to_string(ReloadWait wait);

// All but status and events change something.
bool only_reads(const OperatorRequest& request);

// One line without its newline.
std::string encode_request(const OperatorRequest& request);

// "cannot <verb> ...: <cause>" for: more than kMaxOperatorLine, malformed JSON, another version, an
// unknown op, an unknown field, a field of another type or out of range.
Result<OperatorRequest> decode_request(std::string_view line);

// Each a whole line with its newline. `error` reads like any other of ours.
std::string error_reply(std::string_view error, ExitCode code);
std::string ok_reply();
std::string scaled_reply(std::size_t wanted_workers);
std::string status_reply(std::string_view status_json);
std::string accepted_reply();

// Takes bytes as they come and gives lines.
class OperatorLines {
 public:
  // False: a line is longer than kMaxOperatorLine, and nothing more can be understood.
  bool add(std::string_view bytes);
  std::optional<std::string> next();
  bool half_sent() const { return !buffer_.empty(); }

 private:
  std::string buffer_;
};

}  // namespace holdfast::supervisor
