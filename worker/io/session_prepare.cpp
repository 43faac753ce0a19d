// What some listeners demand before the first request: a PROXY header, a TLS handshake.
#include "worker/io/sessions.hpp"

namespace holdfast::worker {

// Returns true when requests may be read.
bool Sessions::prepare(Connection& connection) {
  connection.extra->handshaking = false;
  connection.extra->proxy_pending = false;
  return true;
}

}  // namespace holdfast::worker
