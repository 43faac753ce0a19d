#include "worker/io/peer_link.hpp"

#include <sys/socket.h>

#include "shared/io/fd_passing.hpp"

namespace holdfast::worker {
namespace {

constexpr std::size_t kMaxDatagram = 2 * kMaxOfferBytes;  // a lone connection may be over the limit

}  // namespace

struct PeerLink::State : std::enable_shared_from_this<State> {
  State(UniqueFd own, Callbacks calls) : fd(std::move(own)), callbacks(std::move(calls)) {}
  ~State() { stop(); }

  void start(HandoffLoop& loop) {
    watch = loop.watch(fd.get(), [weak = weak_from_this()] {
      // One a turn: the peer answers at once, and requests must not wait until all its connections
      // are here.
      if (const auto self = weak.lock()) self->read();
    });
  }

  void stop() {
    if (!std::exchange(open, false)) return;
    watch.reset();
    fd.reset();
  }

  // False: there is no more for now, or ever.
  bool read() {
    if (!open) return false;
    auto datagram = receive_datagram(fd.get(), kMaxDatagram, LostFds::Tell);
    if (datagram && datagram->kind == Datagram::Kind::WouldBlock) return false;
    if (!datagram || datagram->kind == Datagram::Kind::Eof) return end();
    auto message = decode_handoff(datagram->bytes);
    if (!message) return end();
    const auto* offer = std::get_if<Offer>(&*message);
    const std::size_t expected = offer == nullptr ? 0 : offer->connections.size();
    if (!datagram->fds_lost && datagram->fds.size() != expected) return end();
    callbacks.on_message({std::move(*message), std::move(datagram->fds), datagram->fds_lost});
    return true;
  }

  bool end() {
    stop();
    callbacks.on_closed();
    return false;
  }

  UniqueFd fd;
  std::unique_ptr<HandoffLoop::Watch> watch;
  Callbacks callbacks;
  bool open = true;
};

PeerLink::PeerLink(HandoffLoop& loop, UniqueFd fd, Callbacks callbacks)
    : state_(std::make_shared<State>(std::move(fd), std::move(callbacks))) {
  state_->start(loop);
}

PeerLink::~PeerLink() {
  if (state_) state_->stop();
}

bool PeerLink::send(const HandoffMessage& message, std::span<const int> fds) {
  if (!state_->open) return false;
  const auto sent = send_datagram(state_->fd.get(), encode(message), fds);
  return sent && *sent;
}

void PeerLink::read_the_rest() {
  const auto alive = state_;
  if (!alive->open) return;
  // From now on the peer's send(2) fails; unlike close(2), this leaves what is queued.
  ::shutdown(alive->fd.get(), SHUT_RD);
  while (alive->read()) {
  }
}

}  // namespace holdfast::worker
