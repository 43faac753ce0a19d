// What some listeners demand before the first request: a PROXY header, a TLS handshake.
#include <sys/epoll.h>
#include <sys/socket.h>

#include "worker/io/sessions.hpp"

namespace holdfast::worker {
namespace {

constexpr std::string_view kPlainHttpAnswer =
    "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 39\r\n"
    "Connection: close\r\n\r\nthis port speaks HTTPS, not plain HTTP\n";

}  // namespace

// Returns true when requests may be read.
bool Sessions::prepare(Connection& connection) {
  if (connection.machine.state != ConnState::New) return true;
  if (connection.extra->proxy_pending && !read_proxy_header(connection)) return false;
  return !connection.extra->handshaking || shake_hands(connection);
}

bool Sessions::shake_hands(Connection& connection) {
  ConnectionExtra& extra = *connection.extra;
  if (!extra.tls) extra.tls = tls_->accept(connection.fd.get());
  if (!extra.tls) {
    feed(connection, ConnEvent::PeerGone);  // no memory for it
    return false;
  }
  switch (extra.tls->handshake()) {
    case TlsStream::Progress::WantRead:
      watch(connection, kReading);
      return false;
    case TlsStream::Progress::WantWrite:
      watch(connection, EPOLLOUT | EPOLLET);
      return false;
    case TlsStream::Progress::Failed:
      fail_handshake(connection, extra.tls->failure(), extra.tls->client_left());
      return false;
    case TlsStream::Progress::Complete:
      break;
  }
  extra.handshaking = false;
  watch(connection, kReading);
  schedule(connection, drain_.begun() ? drain_.new_grace() : options_.header_timeout);
  return true;
}

// Its time is over.
void Sessions::end_handshake(Connection& connection) {
  if (!connection.extra->tls || !connection.extra->tls->heard_something())
    return feed(connection, ConnEvent::TimedOut);
  fail_handshake(connection, "the handshake took too long", false);
}

void Sessions::fail_handshake(Connection& connection, std::string_view error, bool client_left) {
  TlsStream& tls = *connection.extra->tls;
  connection.extra->handshaking = false;
  if (tls.heard_something()) {
    ++stats_.tls_failures;
    log_refusal(connection, "tls_handshake", error);
  }
  if (client_left) return feed(connection, ConnEvent::PeerGone);
  if (tls.heard_plain_http()) {
    ::send(connection.fd.get(), kPlainHttpAnswer.data(), kPlainHttpAnswer.size(),
           MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  feed(connection, ConnEvent::Quiet);  // the alert, or the answer, must not be destroyed by a RST
}

void Sessions::log_refusal(const Connection& connection, const char* type, std::string_view error) {
  if (hooks.on_count) hooks.on_count();
  requests_.add_refusal(connection, type, error, now());
}

}  // namespace holdfast::worker
