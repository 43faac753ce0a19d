// The PROXY header in front of everything else, where a listener demands one.
#include <cerrno>
#include <sys/socket.h>

#include "worker/io/sessions.hpp"

namespace holdfast::worker {

// Returns true when the header is complete. Takes exactly its bytes off the socket: what follows is
// for TLS, which reads by itself.
bool Sessions::read_proxy_header(Connection& connection) {
  ConnectionExtra& extra = *connection.extra;
  if (!extra.proxy) extra.proxy = std::make_unique<ProxyHeaderReader>();
  for (;;) {
    const ssize_t n =
        ::recv(connection.fd.get(), scratch_.data(), kMaxProxyHeader, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return false;
    if (n <= 0) {
      refuse_unfinished_header(connection, "the connection ended within the header");
      feed(connection, ConnEvent::PeerGone);
      return false;
    }
    const std::size_t taken = extra.proxy->feed({scratch_.data(), static_cast<std::size_t>(n)});
    ::recv(connection.fd.get(), scratch_.data(), taken, MSG_DONTWAIT);
    if (extra.proxy->fault() != nullptr) {
      refuse_header(connection, extra.proxy->fault());
      feed(connection, ConnEvent::PeerGone);
      return false;
    }
    if (!extra.proxy->complete()) continue;
    if (const auto& source = extra.proxy->source())
      extra.client = PeerAddress::from(source->address, source->port);
    extra.proxy.reset();
    extra.proxy_pending = false;
    return true;
  }
}

// A connection that sent nothing at all is no failure: who only looks whether a port answers does
// that.
void Sessions::refuse_unfinished_header(const Connection& connection, const char* why) {
  const ConnectionExtra* const extra = connection.extra.get();
  if (extra != nullptr && extra->proxy_pending && extra->proxy && extra->proxy->begun())
    refuse_header(connection, why);
}

void Sessions::refuse_header(const Connection& connection, const char* why) {
  ++stats_.proxy_failures;
  log_refusal(connection, "proxy_header", why);
}

}  // namespace holdfast::worker
