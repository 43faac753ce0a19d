// The life of one request: Engine's functions from the wish to send it to its one outcome.
#include <algorithm>
#include <cerrno>
#include <sys/epoll.h>

#include "tests/support/load_client_engine.hpp"

namespace holdfast::testing {
namespace {

using std::chrono::milliseconds;

constexpr Nanos kUploadTick = milliseconds(10);
// A loop that fails at once must not become a busy one.
constexpr Nanos kPauseAfterFailure = milliseconds(1);
constexpr Nanos kPauseAfterRefusal = milliseconds(10);
constexpr Nanos kUnixBacklogPause = milliseconds(1);

}  // namespace

void LoadClient::Engine::begin_request(Connection& c) {
  Group& group = *c.group;
  if (!may_begin(group)) return retire(c);
  check_idle(c);
  issue(c);
}

void LoadClient::Engine::issue(Connection& c) {
  Group& group = *c.group;
  if (group.options.mode == Mode::Idle) recorder_.awoke();
  ++issued_;
  ++group.issued;
  c.sent = c.allowed = 0;
  c.error = 0;
  c.extra_bytes = false;
  c.clock_started = now_;
  c.response.begin(false, nullptr);
  if (c.socket) return send_first(c);
  c.connect_started = now_;
  connect(c);
}

void LoadClient::Engine::connect(Connection& c) {
  c.phase = Phase::Connecting;
  const int error = target_.connect(c.socket);
  if (error == EAGAIN && target_.is_unix()) {  // connect(2): the backlog is full
    c.socket.reset();
    return wake_in(c, kUnixBacklogPause);
  }
  if (error != 0 && error != EINPROGRESS) {
    c.socket.reset();
    return fail_connect(c, error);
  }
  ++c.epoch;
  ++c.group->result.connects;
  c.served = 0;
  recorder_.opened();
  epoll_event event{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                    .data = {.u64 = std::uint64_t{c.epoch} << 32 | c.index}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, c.socket.get(), &event);
  if (error == 0) on_connected(c);
}

void LoadClient::Engine::on_connected(Connection& c) {
  if (tls_) {
    if (!c.tls) c.tls = std::make_unique<TlsClient>(*tls_, c.socket.get());
    switch (c.tls->handshake()) {
      case TlsClient::Step::Waiting:
        return;
      case TlsClient::Step::Failed:
        return fail_connect(c, ECONNRESET);
      case TlsClient::Step::Complete:
        break;
    }
  }
  if (c.group->options.mode != Mode::Preconnect) return send_first(c);
  c.phase = Phase::Holding;
  wake_in(c, draw(c.group->options.think));
}

void LoadClient::Engine::send_first(Connection& c) {
  Group& group = *c.group;
  // The hold of Preconnect is ours, no part of the server's latency.
  if (c.phase == Phase::Holding) c.clock_started = now_;
  c.phase = Phase::InFlight;
  c.progressed = now_;
  const bool post = draw_post(group);
  c.serial = group.result.begun + 1;
  group.factory.build(c.request, c.serial, post);
  c.response.begin(group.factory.to_head() && !post,
                   c.request.verify ? &c.request.expected : nullptr);
  start_pace(c);
  send_more(c);
}

// Lets out the first part of the request, and wakes for the next where the mode has one.
void LoadClient::Engine::start_pace(Connection& c) {
  const GroupOptions& options = c.group->options;
  const std::uint64_t text = c.request.text.size();
  c.allowed = c.request.size();
  switch (options.mode) {
    case Mode::HalfHead:
      c.allowed = std::max<std::uint64_t>(text / 2, 1);
      return wake_in(c, draw(options.think));
    case Mode::SlowSend:
      c.allowed = std::max<std::uint64_t>(text / static_cast<unsigned>(options.pieces), 1);
      return wake_in(c, options.send_time / options.pieces);
    case Mode::Upload:
      if (options.upload_rate == 0) return;
      c.allowed = text;
      return wake_in(c, kUploadTick);
    default:
      return;
  }
}

void LoadClient::Engine::on_pace(Connection& c) {
  const GroupOptions& options = c.group->options;
  const std::uint64_t whole = c.request.size();
  Nanos again{};
  if (options.mode == Mode::SlowSend) {
    c.allowed += std::max<std::uint64_t>(whole / static_cast<unsigned>(options.pieces), 1);
    again = options.send_time / options.pieces;
  } else if (options.mode == Mode::Upload) {
    c.allowed += std::max<std::uint64_t>(options.upload_rate / 100, 1);
    again = kUploadTick;
  } else {
    c.allowed = whole;
  }
  c.allowed = std::min(c.allowed, whole);
  if (c.allowed < whole) wake_in(c, again);
  c.progressed = now_;
  send_more(c);
}

void LoadClient::Engine::send_more(Connection& c) {
  const std::uint64_t before = c.sent;
  const Connection::Io io = c.send_some();
  if (before == 0 && c.sent > 0) ++c.group->result.begun;
  if (c.sent > before) {
    c.progressed = now_;
    // Where we take our time to send, the server's time begins with our last byte.
    if (before > 0 && c.all_sent()) c.clock_started = now_;
  }
  // The server may have answered and closed before it read everything: the response counts.
  if (io == Connection::Io::Error) receive(c, true);
}

void LoadClient::Engine::receive(Connection& c, bool peer_closed) {
  // A short read means an empty socket: a later byte makes a new edge. A close that was already
  // reported makes none, so then read on to the end.
  for (;;) {
    const int send_error = c.error;
    switch (c.receive(scratch_)) {
      case Connection::Io::Blocked:
        if (send_error != 0) on_receive_end(c, true);
        return;
      case Connection::Io::Eof:
        return on_receive_end(c, send_error != 0);
      case Connection::Io::Error:
        return on_receive_end(c, true);
      case Connection::Io::Advanced:
        break;
    }
    c.progressed = now_;
    if (c.response.bad()) return fail(c, Failure::ProtocolError);
    if (c.response.done()) return finish_response(c);
    if (!peer_closed && c.short_read) return;
  }
}

void LoadClient::Engine::on_receive_end(Connection& c, bool reset) {
  if (!reset && c.response.feed_eof()) return finish_response(c);
  if (c.group->options.expect_close && !c.response.began()) {
    recorder_.ok(c.group->result, c, now_);
    return finish(c, false);
  }
  if (c.response.began()) return fail(c, Failure::Truncated);
  if (c.reused()) return fail(c, reset ? Failure::ReusedReset : Failure::ReusedEof);
  fail(c, reset ? Failure::FreshReset : Failure::FreshEof);
}

void LoadClient::Engine::finish_response(Connection& c) {
  Group& group = *c.group;
  recorder_.answered(group.result, c, now_);
  if (c.extra_bytes) return fail(c, Failure::ProtocolError);
  const bool right = c.response.status() == group.options.status && !group.options.expect_close;
  if (!right) {
    recorder_.failed(group.result, c, Failure::WrongStatus, now_);
  } else if (!c.response.body_matches()) {
    recorder_.failed(group.result, c, Failure::WrongBody, now_);
  } else {
    recorder_.ok(group.result, c, now_);
  }
  ++c.served;
  const bool full =
      group.per_connection() > 0 && c.served >= static_cast<std::uint32_t>(group.per_connection());
  if (c.response.says_close()) ++group.result.connection_close;
  finish(c, c.all_sent() && !c.response.says_close() && !full);
}

void LoadClient::Engine::finish(Connection& c, bool keep) {
  ++c.ticket;
  if (!keep) disconnect(c);
  c.phase = Phase::Waiting;
  if (c.group->options.mode == Mode::Idle) {
    recorder_.fell_asleep();
    if (!keep) return retire(c);
    c.phase = Phase::Parked;
    recorder_.parked();
    if (!finishing_) return;
    ++c.group->result.parked;
    return retire(c);
  }
  rest(c, think(*c.group));
}

void LoadClient::Engine::fail(Connection& c, Failure failure) {
  recorder_.failed(c.group->result, c, failure, now_);
  disconnect(c);
  c.phase = Phase::Waiting;
  if (c.group->options.mode == Mode::Idle) {
    recorder_.fell_asleep();
    return retire(c);
  }
  const Nanos pause = failure == Failure::Refused ? kPauseAfterRefusal : kPauseAfterFailure;
  rest(c, std::max(pause, think(*c.group)));
}

void LoadClient::Engine::fail_connect(Connection& c, int error) {
  c.error = error;
  const bool refused = error == ECONNREFUSED || (error == ENOENT && target_.is_unix());
  if (refused && expect_stop_.load(std::memory_order_relaxed)) {
    Group& group = *c.group;
    recorder_.refused_after_stop(group.result, now_);
    group.stopped = true;
    retire(c);
    for (const auto& other : connections_) {
      if (other->group == &group && other->phase == Phase::Waiting) retire(*other);
    }
    return;
  }
  if (refused) return fail(c, Failure::Refused);
  fail(c, error == ETIMEDOUT ? Failure::ConnectTimeout : Failure::ConnectReset);
}

// Between requests ------------------------------------------------------------------------------

// False when the connection is gone, or was silent no more.
bool LoadClient::Engine::check_idle(Connection& c) {
  if (!c.socket) return false;
  GroupResult& result = c.group->result;
  switch (c.probe()) {
    case Idle::Quiet:
      return true;
    case Idle::Closed:
      ++result.idle_closed;
      break;
    case Idle::Reset:
      ++result.idle_reset;
      break;
    case Idle::Bytes:
      c.error = 0;
      recorder_.failed(result, c, Failure::ProtocolError, now_);
      break;
  }
  disconnect(c);
  if (c.phase == Phase::Parked) retire(c);
  return false;
}

void LoadClient::Engine::rest(Connection& c, Nanos pause) {
  if (may_begin(*c.group) && pause > Nanos::zero()) return wake_in(c, pause);
  begin_request(c);
}

// The modes that hold in the middle of a request do not pause between requests as well.
Nanos LoadClient::Engine::think(const Group& group) {
  return group.holds() ? Nanos::zero() : draw(group.options.think);
}

void LoadClient::Engine::retire(Connection& c) {
  if (c.phase == Phase::Retired) return;
  disconnect(c);
  if (c.phase == Phase::Parked) recorder_.unparked();
  c.phase = Phase::Retired;
  ++c.ticket;
  --live_;
}

void LoadClient::Engine::disconnect(Connection& c) {
  if (!c.socket) return;
  c.tls.reset();
  c.socket.reset();
  c.served = 0;
  ++c.epoch;
  recorder_.closed();
}

}  // namespace holdfast::testing
