// What supervisor and worker say to each other: one JSON object a datagram, at most 32 KiB, plus
// descriptors that the object names. The two ends are of different ages by design (the library
// ships inside each deploy, the supervisor stays), so: `hello`/`welcome` negotiate a version,
// unknown fields are ignored, unknown types are ignored unless they say "required":true. The bytes
// are in docs/control_protocol.md and tests/golden/control.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "shared/core/ids.hpp"
#include "shared/core/result.hpp"
#include "shared/core/ticket_key.hpp"
#include "shared/core/time.hpp"

namespace holdfast {

inline constexpr std::size_t kMaxControlMessage = 32 * 1024;
inline constexpr std::size_t kMaxControlFds = 253;  // SCM_MAX_FD (unix(7))
inline constexpr std::size_t kMaxTicketKeys = 8;

struct ProtocolRange {
  int min = 1;
  int max = 1;
  bool operator==(const ProtocolRange&) const = default;
};
inline constexpr ProtocolRange kProtocol{1, 1};  // what this build speaks

// The highest version both ends speak, or nothing.
std::optional<int> common_protocol(ProtocolRange ours, ProtocolRange theirs);

enum class DrainReason : std::uint8_t {
  Reload,
  Shutdown,
  Scale,
  Recycle,
  Rollback,
  Orphaned,
  Operator
};
// What becomes of idle connections in a drain.
enum class IdlePolicy : std::uint8_t {
  Close,
  Handoff  // they go to the workers that `peer` named before, and live on
};

std::string_view to_string(DrainReason reason);
std::string_view to_string(IdlePolicy policy);

// Worker to supervisor
// -------------------------------------------------------------------------------------------

// Which records of connections workers understand (docs/handoff_protocol.md).
inline constexpr ProtocolRange kHandoffRecords{1, 1};

struct Hello {
  ProtocolRange protocol = kProtocol;
  int pid = 0;
  std::string library;
  std::vector<std::string> features;
  std::optional<ProtocolRange> handoff = {};  // nothing: it neither gives nor takes connections
  bool operator==(const Hello&) const = default;
};
struct Ready {
  bool operator==(const Ready&) const = default;
};
struct Accepting {
  bool operator==(const Accepting&) const = default;
};
struct Paused {
  bool operator==(const Paused&) const = default;
};
struct Draining {  // also when the worker began by itself
  DrainReason reason = DrainReason::Reload;
  bool operator==(const Draining&) const = default;
};
struct ListenersClosed {
  bool operator==(const ListenersClosed&) const = default;
};
struct Pong {
  bool operator==(const Pong&) const = default;
};
// Upper bounds of the response time, in microseconds, of all buckets but the last, which has none.
inline constexpr std::array<std::uint64_t, 14> kLatencyBounds{
    500,     1'000,   2'500,   5'000,     10'000,    25'000,    50'000,
    100'000, 250'000, 500'000, 1'000'000, 2'500'000, 5'000'000, 10'000'000};

// What one listener of one worker has done since the worker began; counts only ever grow.
struct ListenerStats {
  std::string name;
  std::uint64_t accepted = 0;                // connections
  std::array<std::uint64_t, 5> responses{};  // by the first digit of their status, 1xx first
  std::uint64_t bytes_received = 0;          // as in the access log
  std::uint64_t bytes_sent = 0;              //
  std::uint64_t latency_us = 0;              // the sum
  std::array<std::uint64_t, kLatencyBounds.size() + 1> latency{};  // responses, by their time
  bool operator==(const ListenerStats&) const = default;
};

struct Stats {
  std::uint64_t connections = 0;
  std::uint64_t idle = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t requests = 0;
  std::uint64_t responses_5xx = 0;
  std::uint64_t tls_failures = 0;    // handshakes that came to nothing
  std::uint64_t proxy_failures = 0;  // PROXY headers that were refused
  std::vector<ListenerStats> listeners = {};
  bool operator==(const Stats&) const = default;
};
struct Drained {
  std::uint64_t served = 0;       // requests answered since the drain began
  std::uint64_t handed_off = 0;   // connections given to the next generation
  std::uint64_t closed_idle = 0;  // connections closed between requests, or before the first
  std::uint64_t cut = 0;          // connections ended by a deadline, with a request in flight
  std::uint64_t log_lines_lost = 0;
  std::uint64_t cut_overtime = 0;  // of `cut`: at stop_timeout_max
  std::uint64_t refused = 0;       // for a failed TLS handshake or PROXY header
  bool operator==(const Drained&) const = default;
};

struct HandoffDone {           // before `drained`
  std::uint64_t sent = 0;      // connections offered, each time that one was
  std::uint64_t taken = 0;     // and released to their takers
  std::uint64_t returned = 0;  // refused, taken back, or not answered
  bool operator==(const HandoffDone&) const = default;
};

// Supervisor to worker
// -------------------------------------------------------------------------------------------

struct ListenerInfo {
  std::string name;
  std::string address;  // as ListenAddress prints, with the real port
  // Somebody else owns it and will go on: a full stop leaves its queue to them.
  bool kept = false;
  bool operator==(const ListenerInfo&) const = default;
};

// Options that concern workers; those present beat the embedder's compiled defaults.
struct WorkerOptions {
  std::optional<Millis> stop_timeout;
  std::optional<Millis> kill_timeout;
  std::optional<Millis> new_grace;
  std::optional<Millis> idle_grace;
  std::optional<Millis> idle_spread;
  std::optional<Millis> orphan_timeout;
  std::optional<Millis> stop_timeout_max = {};  // absent: as stop_timeout
  bool operator==(const WorkerOptions&) const = default;
};

// Descriptors: one for each listener, in their order; then one for each name in `fds`: "access_log"
// (absent: no access log), "stderr" (the supervisor's own, to use once the supervisor is gone).
struct Welcome {
  int protocol = kProtocol.max;
  GenerationId generation;
  WorkerId worker;
  std::vector<ListenerInfo> listeners;
  std::vector<std::string> fds;
  WorkerOptions options;
  std::vector<TicketKey> ticket_keys = {};  // newest first; it seals, the others still open
  std::string label = {};                   // of the deploy, for the access log
  bool operator==(const Welcome&) const = default;
};
struct Accept {
  bool operator==(const Accept&) const = default;
};
// `except`: listeners that the newer generation does not have; accepting goes on there.
struct Pause {
  std::vector<std::string> except = {};
  bool operator==(const Pause&) const = default;
};
// The whole service will stop soon: goes on as before, but every response says close and readiness
// is false. A worker that does not know it just goes on.
struct LameDuck {
  bool operator==(const LameDuck&) const = default;
};
struct Drain {  // a later one replaces reason and policy; the earlier deadline wins
  DrainReason reason = DrainReason::Reload;
  Millis stop_timeout{60'000};
  IdlePolicy idle = IdlePolicy::Close;
  Millis stop_timeout_max{0};  // for transfers that move; less than stop_timeout: the same
  // Listeners that nobody has after us: accepted from until `close_listeners`.
  std::vector<std::string> last_of = {};
  bool operator==(const Drain&) const = default;
};
// Descriptor: a SOCK_SEQPACKET end; the other worker has the other one. A giver gets it before its
// `drain`.
struct Peer {
  enum class Role : std::uint8_t { Give, Take };
  Role role = Role::Take;
  WorkerId worker;  // the other one
  GenerationId generation;
  int records = kHandoffRecords.max;  // the highest version that both understand
  bool operator==(const Peer&) const = default;
};
struct CloseListeners {
  // Another generation accepts from them: who is queued, and who comes, is its.
  bool given_back = false;
  bool operator==(const CloseListeners&) const = default;
};
struct ReopenLogs {  // descriptors: as in Welcome's `fds`
  std::vector<std::string> fds;
  bool operator==(const ReopenLogs&) const = default;
};
struct Ping {
  bool operator==(const Ping&) const = default;
};
struct StatsRequest {
  bool operator==(const StatsRequest&) const = default;
};

// A type that this end does not know and may skip.
struct Unknown {
  std::string type;
  bool operator==(const Unknown&) const = default;
};

using ControlMessage =
    std::variant<Hello, Ready, Accepting, Paused, Draining, ListenersClosed, Pong, Stats, Drained,
                 HandoffDone, Welcome, Accept, Pause, LameDuck, Drain, Peer, CloseListeners,
                 ReopenLogs, Ping, StatsRequest, Unknown>;

// The value of "type": "hello", "welcome", ...; for Unknown the type it carried.
std::string_view type_name(const ControlMessage& message);

// One JSON object without a newline. Bytes that are not UTF-8 are replaced, never thrown.
std::string encode(const ControlMessage& message);

// Fails on: more than kMaxControlMessage, malformed JSON, no "type", a wrong type or range of a
// known field, an unknown type that says "required":true.
Result<ControlMessage> decode(std::string_view datagram);

// A receiver without a free descriptor goes on as if it had not come.
bool may_be_missed(const ControlMessage& message);

// How many descriptors must come with this message.
std::size_t expected_fds(const ControlMessage& message);

}  // namespace holdfast
