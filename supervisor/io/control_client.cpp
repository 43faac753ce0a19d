#include "supervisor/io/control_client.hpp"

#include <array>
#include <cerrno>
#include <poll.h>
#include <sys/socket.h>

#include "shared/io/syscall.hpp"

namespace holdfast::supervisor {

ControlClient::ControlClient(boost::asio::io_context& io, UniqueFd socket, ControlPeer peer,
                             ControlAccess access, const ControlLimits& limits, Callbacks callbacks)
    : fd_(std::move(socket)),
      watch_(io, fd_.get()),
      deadline_(io),
      peer_(std::move(peer)),
      access_(access),
      limits_(limits),
      callbacks_(std::move(callbacks)) {}

ControlClient::~ControlClient() {
  if (watch_.is_open()) watch_.release();  // fd_ owns the descriptor
}

void ControlClient::start() {
  arm();
  wait_readable();
}

void ControlClient::wait_readable() {
  if (!open_ || reading_ || end_of_requests_) return;
  reading_ = true;
  watch_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                    [self = shared_from_this()](boost::system::error_code failed) {
                      self->reading_ = false;
                      if (!failed && self->open_) self->read();
                    });
}

// One buffer a turn: a client that only writes must not starve the workers.
void ControlClient::read() {
  std::array<char, 4096> bytes;
  const ssize_t n = ::recv(fd_.get(), bytes.data(), bytes.size(), MSG_DONTWAIT);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return wait_readable();
  if (n < 0) return close();
  if (n == 0) {
    // It may have said all it had to say and still wait for the answer.
    if (peer_is_gone()) return close();
    end_of_requests_ = true;
  } else if (!lines_.add({bytes.data(), static_cast<std::size_t>(n)})) {
    send(error_reply("cannot read the request: it is longer than 8 KiB", ExitCode::Usage));
    return finish();
  }
  pump();
}

// A request is looked at when the answer to the one before is out: so the buffer stays small.
void ControlClient::pump() {
  if (pumping_) return;
  pumping_ = true;
  const auto self = shared_from_this();
  while (open_ && outbox_.empty()) {
    const auto line = lines_.next();
    if (!line) break;
    callbacks_.on_line(*this, *line);
  }
  pumping_ = false;
  if (!open_) return;
  if (end_of_requests_ && outbox_.empty() && !awaits_) return close();
  arm();
  if (outbox_.empty()) wait_readable();
}

void ControlClient::send(std::string_view lines) {
  if (!open_) return;
  if (outbox_.size() + lines.size() > limits_.outbox)
    return close("it does not read what it asked for");
  outbox_ += lines;
  if (!writing_) write();
}

void ControlClient::answer_awaited(std::string_view lines) {
  awaits_ = false;
  send(lines);
  if (open_) pump();
}

void ControlClient::write() {
  while (!outbox_.empty()) {
    const ssize_t n =
        ::send(fd_.get(), outbox_.data(), outbox_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n >= 0) {
      outbox_.erase(0, static_cast<std::size_t>(n));
      pressed_ = Pressed::Nothing;
    } else if (errno == EAGAIN) {
      arm();
      return wait_writable();
    } else if (errno != EINTR) {
      return close();
    }
  }
  arm();
}

void ControlClient::wait_writable() {
  writing_ = true;
  watch_.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                    [self = shared_from_this()](boost::system::error_code failed) {
                      self->writing_ = false;
                      if (failed || !self->open_) return;
                      self->write();
                      if (self->open_ && self->outbox_.empty()) self->pump();
                    });
}

void ControlClient::finish() {
  end_of_requests_ = true;
  awaits_ = false;
  if (outbox_.empty()) close();
}

void ControlClient::close(const std::string& why) {
  if (!open_) return;
  open_ = false;
  deadline_.cancel();
  watch_.release();
  fd_.reset();
  outbox_ = {};
  callbacks_.on_gone(*this, why);
}

// What it is late with; a deadline that runs is not moved by bytes that change nothing.
void ControlClient::arm() {
  Pressed now = Pressed::Silent;
  Millis within = limits_.silent;
  if (!outbox_.empty()) {
    now = Pressed::Unread;
    within = limits_.unread;
  } else if (lines_.half_sent()) {
    now = Pressed::HalfSent;
    within = limits_.half_sent;
  } else if (awaits_ || access_ == ControlAccess::ReadOnly) {
    now = Pressed::Nothing;
  }
  // Those who follow may pause their terminal; the buffer is their bound.
  if (follows_ && now != Pressed::HalfSent) now = Pressed::Nothing;
  if (now == pressed_ && now != Pressed::Silent) return;
  pressed_ = now;
  deadline_.cancel();
  if (!open_ || now == Pressed::Nothing) return;
  deadline_.expires_after(within);
  deadline_.async_wait([self = shared_from_this()](boost::system::error_code cancelled) {
    if (cancelled || !self->open_) return;
    if (self->pressed_ == Pressed::HalfSent) {
      self->send(error_reply("cannot read the request: it did not end", ExitCode::TimedOut));
    }
    const bool unread = self->pressed_ == Pressed::Unread;
    self->close(unread ? "it does not read what it asked for" : "");
  });
}

void ControlClient::flush_until(TimePoint deadline) {
  while (open_ && !outbox_.empty()) {
    const auto left = std::chrono::duration_cast<Millis>(deadline - Clock::now());
    if (left.count() <= 0 || !holdfast::wait_writable(fd_.get(), left)) return;
    write();
  }
}

// Both directions shut: the peer has closed (unix(7), poll(2)).
bool ControlClient::peer_is_gone() const {
  pollfd look{fd_.get(), POLLIN, 0};
  return ::poll(&look, 1, 0) > 0 && (look.revents & POLLHUP) != 0;
}

}  // namespace holdfast::supervisor
