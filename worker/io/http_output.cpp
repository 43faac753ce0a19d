// Bytes out: responses, back-pressure, and the line in the access log.
#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <stdexcept>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <system_error>
#include <unistd.h>

#include "worker/io/sessions.hpp"
#include "worker/io/transport.hpp"

namespace holdfast::worker {
namespace {

// Of a file in one turn: a client on a fast network must not hold up the others.
constexpr std::uint64_t kFileTurn = 1024 * 1024;
constexpr std::size_t kFilePiece = 64 * 1024;  // where the kernel cannot send files by itself

// sendfile(2) reports the file's errors and the socket's alike.
bool file_is_at_fault(int error) {
  return error == EINVAL || error == EISDIR || error == EBADF || error == EIO ||
         error == EOVERFLOW || error == ESPIPE;
}

// What a client sent behind a request whose response says close is lost (RFC 9112, 9.3.2). So a
// draining worker says it in the response to the last request that has arrived.
bool next_request_is_here(const Exchange& exchange) {
  if (exchange.connection == nullptr || !exchange.body_done || exchange.handler == nullptr)
    return false;
  const bool streams = std::holds_alternative<StreamHandler>(*exchange.handler);
  if (streams ? !exchange.in.empty() : exchange.read_ahead) return true;
  return bytes_waiting(*exchange.connection);
}

}  // namespace

Sessions::Step Sessions::respond(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  exchange.stage = Stage::Sending;
  exchange.finish_body();
  if (exchange.length_broken) {
    exchange.completion = Completion::HandlerError;
    exchange.close_after = true;
  }
  switch (send(connection, exchange)) {
    case SendResult::Complete:
      return finish_request(connection);
    case SendResult::Blocked:
      schedule(connection, options_.body_timeout);
      set_interest(connection);
      return Step::Wait;
    case SendResult::Failed:
      break;
  }
  feed(connection, ConnEvent::PeerGone);
  return Step::Gone;
}

Sessions::Step Sessions::finish_request(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  const TimePoint done_at = now();
  log(exchange, connection, done_at);
  const bool reuse = !exchange.close_after;
  exchange.reset_request();
  if (reuse) {
    feed(connection, ConnEvent::ResponseReusable);
    if (!connection.machine.draining || connection.machine.moving) {
      deadlines_.schedule(connection, done_at + options_.keep_alive_timeout);
    }
    return Step::Next;
  }
  exchanges_.give_back(*std::exchange(connection.exchange, nullptr));
  feed(connection, ConnEvent::ResponseFinal);
  return Step::Gone;
}

Sessions::SendResult Sessions::send(Connection& connection, Exchange& exchange) {
  std::uint64_t turn = kFileTurn;
  for (;;) {
    while (exchange.out_begin != exchange.out.size()) {
      const ssize_t n = transmit(connection, exchange.out.data() + exchange.out_begin,
                                 exchange.out.size() - exchange.out_begin, exchange.file_left != 0);
      if (n < 0) return errno == EAGAIN ? SendResult::Blocked : SendResult::Failed;
      exchange.out_begin += static_cast<std::size_t>(n);
      exchange.bytes_sent += static_cast<std::uint64_t>(n);
    }
    exchange.out.clear();
    exchange.out_begin = 0;
    if (exchange.file_left != 0) {
      if (turn == 0) {
        rearm(connection);
        return SendResult::Blocked;
      }
      const ssize_t n = send_file_part(connection, exchange, turn);
      if (n < 0 && errno == EAGAIN) return SendResult::Blocked;
      if (n <= 0) return SendResult::Failed;
      turn -= std::min(turn, static_cast<std::uint64_t>(n));
    } else if (!exchange.behind_file.empty()) {
      exchange.out.swap(exchange.behind_file);
    } else {
      return SendResult::Complete;
    }
  }
}

ssize_t Sessions::send_file_part(Connection& connection, Exchange& exchange, std::uint64_t most) {
  most = std::min(most, exchange.file_left);
  ssize_t n = 0;
  if (can_transmit_files(connection)) {
    n = transmit_file(connection, exchange.file.get(), exchange.file_at,
                      static_cast<std::size_t>(most));
    if (n > 0) exchange.bytes_sent += static_cast<std::uint64_t>(n);
  } else {
    exchange.out.resize(std::min<std::uint64_t>(most, kFilePiece));
    n = ::pread(exchange.file.get(), exchange.out.data(), exchange.out.size(), exchange.file_at);
    exchange.out.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    if (n > 0) exchange.file_at += n;
  }
  if (n > 0) {
    exchange.file_left -= static_cast<std::uint64_t>(n);
    exchange.response_size += static_cast<std::uint64_t>(n);
    if (exchange.file_left == 0) exchange.file.reset();
  } else if (n == 0 || file_is_at_fault(errno)) {
    // Cut short while it was sent, or no file: the client must not take what it has for the whole.
    exchange.completion = Completion::HandlerError;
    mark_incomplete(connection);
  }
  return n;
}

void Sessions::continue_sending(Connection& connection) {
  Exchange& exchange = *connection.exchange;
  switch (send(connection, exchange)) {
    case SendResult::Failed:
      return feed(connection, ConnEvent::PeerGone);
    case SendResult::Blocked:
      return schedule(connection,
                      options_.body_timeout);  // bytes moved: the client is slow, not dead
    case SendResult::Complete:
      break;
  }
  if (exchange.stage == Stage::Sending) {
    if (finish_request(connection) == Step::Next) on_bytes(connection, {});
    return;
  }
  deadlines_.cancel(connection);
  const auto callback = std::exchange(exchange.flush_callback, nullptr);
  set_interest(connection);
  if (callback) callback(true);
}

// For the handler
// ----------------------------------------------------------------------------------------------------

void Sessions::flush(Exchange& exchange) {
  if (exchange.connection == nullptr) {
    exchange.pending.clear();
    return;
  }
  Connection& connection = *exchange.connection;
  exchange.start_stream();
  exchange.frame_pending();
  switch (send(connection, exchange)) {
    case SendResult::Failed:
      return feed(connection, ConnEvent::PeerGone);
    case SendResult::Blocked:
      schedule(connection, options_.body_timeout);
      return set_interest(connection);
    case SendResult::Complete:
      return;
  }
}

void Sessions::flush_then(Exchange& exchange, ResponseWriter::FlushCallback callback) {
  flush(exchange);
  if (exchange.connection == nullptr) return callback(false);
  if (!exchange.unsent()) return callback(true);
  exchange.flush_callback = std::move(callback);
}

void Sessions::send_file(Exchange& exchange, int file, std::uint64_t offset, std::uint64_t length) {
  if (exchange.file_left != 0) throw std::logic_error("a file is already being sent");
  UniqueFd own(::fcntl(file, F_DUPFD_CLOEXEC, 0));
  if (!own) throw std::system_error(errno, std::generic_category(), "cannot keep a file to send");
  if (exchange.connection == nullptr) return;
  if (!exchange.head_sent && !exchange.declared_length)
    exchange.declared_length = exchange.pending.size() + length;
  exchange.start_stream();
  exchange.frame_pending();
  exchange.append_file(std::move(own), offset, length);
}

// The response cannot be completed: the client must not take what it has for the whole.
void Sessions::abort(Connection& connection, Completion why) {
  connection.exchange->completion = why;
  mark_incomplete(connection);
  feed(connection, ConnEvent::TimedOut);
}

void Sessions::mark_incomplete(Connection& connection) {
  const Exchange& exchange = *connection.exchange;
  if (!exchange.head_sent || exchange.framing != BodyFraming::UntilClose) return;
  // Where the end of the body is the end of the connection, only a reset tells the two apart.
  reset_at_close(connection);
}

bool Sessions::must_close(const Exchange& exchange) const {
  const std::size_t limit = options_.requests_per_connection;
  if (limit != 0 && exchange.connection != nullptr &&
      exchange.connection->machine.requests >= limit)
    return true;
  if (!drain_.must_close()) return false;
  if (exchange.connection != nullptr && stays_open(*exchange.connection)) return false;
  return !next_request_is_here(exchange);
}

std::string_view Sessions::http_date(const Exchange& exchange) {
  // A streaming handler begins its response whenever it likes; otherwise bytes came just now.
  return wall_.http_date(exchange.stage == Stage::Handling ? now() : last_seen_);
}

}  // namespace holdfast::worker
