// How a service that does not know holdfast's library is started, when it counts as ready, and how
// it is asked whether it is well. docs/any_language.md is the promise.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "shared/core/ids.hpp"
#include "shared/core/listen_address.hpp"
#include "shared/core/result.hpp"
#include "shared/core/time.hpp"

namespace holdfast::supervisor {

enum class WorkerProtocol : std::uint8_t {
  Native,       // the control channel of the library
  Systemd,      // LISTEN_FDS, NOTIFY_SOCKET; TERM to drain
  StartServer,  // SERVER_STARTER_PORT; TERM to drain
  Einhorn       // EINHORN_FD_n, an ack; USR2 to drain
};

std::string_view to_string(WorkerProtocol protocol);
Result<WorkerProtocol> parse_protocol(std::string_view text);

enum class ReadinessKind : std::uint8_t { Notify, Ack, Tcp, Delay };

struct Readiness {
  ReadinessKind kind = ReadinessKind::Notify;
  std::string address = {};  // of Tcp, with placeholders
  Millis delay{0};           // of Delay
  bool operator==(const Readiness&) const = default;
};

// notify | ack | tcp=ADDRESS | delay[=D]
Result<Readiness> parse_readiness(std::string_view text);

// notify for systemd, ack for einhorn, and a second for start_server, which knows nothing better.
Readiness default_readiness(WorkerProtocol protocol);

// What is asked of a worker: a connect, or a GET with an answer from 200 to 399.
struct ProbeTarget {
  ListenAddress address;
  std::string path = {};  // empty: a connect is enough
  bool operator==(const ProbeTarget&) const = default;
};

// tcp:ADDRESS | http://HOST:PORT[/PATH]; HOST is numeric, because a name server may be slow.
Result<ProbeTarget> parse_probe(std::string_view text);

struct ForeignOptions {
  WorkerProtocol protocol = WorkerProtocol::Native;
  std::optional<Readiness> readiness = {};  // nothing: the protocol's own
  std::string probe = {};                   // as written, with placeholders; empty: none
  bool operator==(const ForeignOptions&) const = default;
};

// "{worker}" and "{generation}" replaced, so that the old and the new generation can each have an
// address of their own.
std::string with_numbers(std::string text, GenerationId generation, WorkerId worker);

}  // namespace holdfast::supervisor
