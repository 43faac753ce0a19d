// What users are told of connections' states, in Go's words.
#include "worker/io/sessions.hpp"

namespace holdfast::worker {
namespace {

ConnectionState shown(ConnState state) {
  switch (state) {
    case ConnState::New:
      return ConnectionState::New;
    case ConnState::Active:
      return ConnectionState::Active;
    case ConnState::Idle:
      return ConnectionState::Idle;
    case ConnState::Hijacked:
      return ConnectionState::Hijacked;
    case ConnState::Offered:
    case ConnState::Lingering:
    case ConnState::Closed:
      break;
  }
  return ConnectionState::Closed;
}

}  // namespace

std::string_view to_string(ConnectionState state) {
  constexpr std::string_view kNames[] = {"new", "active", "idle", "hijacked", "closed"};
  return kNames[static_cast<std::size_t>(state)];
}

void Sessions::tell_state(Connection& connection) {
  const ConnState now = connection.machine.state;
  // A connection that lingers is not closed yet, and its user has no part in it any more; one that
  // is offered may come back.
  if (now == ConnState::Lingering || now == ConnState::Offered || now == connection.told) return;
  const ConnState before = std::exchange(connection.told, now);
  call_state_hook(connection, shown(before), shown(now));
}

ConnectionInfo Sessions::info_of(const Connection& connection) {
  return {.number = connection.number,
          .remote_address = connection.peer.ip(address_text_),
          .remote_port = connection.peer.port(),
          .listener = connection.listener->name,
          .age = std::chrono::duration_cast<std::chrono::milliseconds>(now() - connection.opened)};
}

void Sessions::call_state_hook(const Connection& connection, ConnectionState from,
                               ConnectionState to) {
  if (shutting_down_) return;
  try {
    hooks.on_state(info_of(connection), from, to);
  } catch (...) {  // the connection is not the hook's to end
  }
}

}  // namespace holdfast::worker
