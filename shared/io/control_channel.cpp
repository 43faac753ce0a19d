#include "shared/io/control_channel.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

#include "shared/io/channel_end.hpp"

namespace holdfast {

struct ControlChannel::State : std::enable_shared_from_this<State> {
  State(boost::asio::io_context& io, UniqueFd fd, Callbacks calls)
      : socket(std::move(fd)), watch(io, socket.fd()), callbacks(std::move(calls)) {}
  // The socket owns the descriptor; release() also takes it out of the reactor's epoll set.
  ~State() { stop(); }

  void stop() {
    open = false;
    if (watch.is_open()) watch.release();
  }

  void wait_readable() {
    watch.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](boost::system::error_code failed) {
                       if (!failed && self->open) self->read();
                     });
  }

  void wait_writable() {
    if (!open || waiting_to_write || !socket.wants_write()) return;
    waiting_to_write = true;
    watch.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                     [self = shared_from_this()](boost::system::error_code failed) {
                       self->waiting_to_write = false;
                       if (failed || !self->open) return;
                       self->socket.flush();
                       self->wait_writable();
                     });
  }

  void read() {
    // A peer that talks without end must not starve everybody else in the io_context.
    constexpr int kMessagesATurn = 64;
    for (int i = 0; open; ++i) {
      if (i == kMessagesATurn) return wait_readable();
      auto received = socket.receive();
      if (!received) return finish(std::move(received).error());
      if (received->kind == Received::Kind::Eof) return finish(std::nullopt);
      if (received->kind == Received::Kind::WouldBlock) return wait_readable();
      if (received->kind == Received::Kind::Torn) {
        if (callbacks.on_torn) callbacks.on_torn(std::move(received->message));
        continue;
      }
      callbacks.on_message(std::move(received->message), std::move(received->fds));
    }
  }

  void finish(std::optional<Error> error) {
    stop();
    callbacks.on_closed(std::move(error));
  }

  ChannelEnd socket;
  boost::asio::posix::stream_descriptor watch;
  Callbacks callbacks;
  bool open = true;
  bool waiting_to_write = false;
};

ControlChannel::ControlChannel(boost::asio::io_context& io, UniqueFd fd, Callbacks callbacks)
    : state_(std::make_shared<State>(io, std::move(fd), std::move(callbacks))) {
  state_->wait_readable();
}

ControlChannel::~ControlChannel() {
  if (state_) state_->stop();
}

void ControlChannel::send(const ControlMessage& message, std::vector<UniqueFd> fds) {
  if (!state_->open) return;
  state_->socket.send(message, std::move(fds));
  state_->wait_writable();
}

}  // namespace holdfast
