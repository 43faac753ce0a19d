#include "shared/io/channel_end.hpp"

#include <cerrno>

#include "shared/io/fd_passing.hpp"

namespace holdfast {

void ChannelEnd::send(const ControlMessage& message, std::vector<UniqueFd> fds) {
  queue_.push_back({encode(message), std::move(fds)});
  flush();
}

void ChannelEnd::flush() {
  while (!queue_.empty()) {
    std::vector<int> numbers;
    for (const UniqueFd& fd : queue_.front().fds) numbers.push_back(fd.get());
    const auto sent = send_datagram(fd_.get(), queue_.front().bytes, numbers);
    if (sent && !*sent) return;
    if (!sent && sent.error().code == ETOOMANYREFS)
      return;  // descriptors in flight; the reader will make room (unix(7))
    queue_.pop_front();
  }
}

Result<Received> ChannelEnd::receive() {
  HOLDFAST_ASSIGN(Datagram datagram,
                  receive_datagram(fd_.get(), kMaxControlMessage + 1, LostFds::Tell));
  if (datagram.kind == Datagram::Kind::WouldBlock) return Received{};
  if (datagram.kind == Datagram::Kind::Eof) return Received{Received::Kind::Eof, {}, {}};
  HOLDFAST_ASSIGN(ControlMessage message, decode(datagram.bytes));
  if (datagram.fds_lost) {
    // A worker whose clients have its last descriptor must not fail for what it can do without.
    if (may_be_missed(message)) return Received{Received::Kind::Torn, std::move(message), {}};
    return plain_error("receive a message",
                       "descriptors were lost; the limit of open files is too low");
  }
  // An unknown message may carry descriptors of its own; they are closed, not refused.
  if (std::holds_alternative<Unknown>(message)) datagram.fds.clear();
  if (datagram.fds.size() != expected_fds(message)) {
    return plain_error("read control message", std::string(type_name(message)) +
                                                   " came with the wrong number of descriptors");
  }
  return Received{Received::Kind::Message, std::move(message), std::move(datagram.fds)};
}

}  // namespace holdfast
