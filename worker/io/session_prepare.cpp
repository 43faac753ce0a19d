// What some listeners demand before the first request: a PROXY header, a TLS handshake.
#include "worker/io/sessions.hpp"

namespace holdfast::worker {

// Returns true when requests may be read.
bool Sessions::prepare(Connection& connection) {
  if (connection.extra->proxy_pending && !read_proxy_header(connection)) return false;
  connection.extra->handshaking = false;
  return true;
}

}  // namespace holdfast::worker
