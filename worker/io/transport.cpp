#include "worker/io/transport.hpp"

#include <cerrno>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "worker/io/connection.hpp"

namespace holdfast::worker {
namespace {

// None for a connection that is being closed: what its peer still sends is dropped as it is.
TlsStream* tls_of(const Connection& connection) {
  if (!connection.extra || connection.machine.state == ConnState::Lingering) return nullptr;
  return connection.extra->tls.get();
}

}  // namespace

ssize_t receive(Connection& connection, char* into, std::size_t size, bool& more) {
  if (TlsStream* tls = tls_of(connection)) return tls->read(into, size, more);
  ssize_t n = 0;
  do {
    n = ::recv(connection.fd.get(), into, size, MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  more = n == static_cast<ssize_t>(size);
  return n;
}

ssize_t transmit(Connection& connection, const char* bytes, std::size_t size, bool more) {
  if (TlsStream* tls = tls_of(connection)) return tls->write(bytes, size);
  ssize_t n = 0;
  do {
    n = ::send(connection.fd.get(), bytes, size,
               MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0));
  } while (n < 0 && errno == EINTR);
  return n;
}

ssize_t transmit_file(Connection& connection, int file, off_t& offset, std::size_t size) {
  ssize_t n = 0;
  do {
    n = ::sendfile(connection.fd.get(), file, &offset, size);
  } while (n < 0 && errno == EINTR);
  return n;
}

bool can_transmit_files(const Connection& connection) { return tls_of(connection) == nullptr; }

bool bytes_waiting(const Connection& connection) {
  if (held_bytes(connection)) return true;
  char byte = 0;
  return ::recv(connection.fd.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool held_bytes(const Connection& connection) {
  const TlsStream* tls = tls_of(connection);
  return tls != nullptr && tls->holds_bytes();
}

std::uint64_t untaken_bytes(const Connection& connection) {
  int untaken = 0;
  if (::ioctl(connection.fd.get(), SIOCOUTQ, &untaken) != 0) return 0;
  return static_cast<std::uint64_t>(untaken);
}

void end_output(Connection& connection) {
  if (connection.extra) {
    if (connection.extra->reset) return;
    if (connection.extra->tls) connection.extra->tls->close_notify();
  }
  ::shutdown(connection.fd.get(), SHUT_WR);
}

void reset_at_close(Connection& connection) {
  if (!connection.extra) connection.extra = std::make_unique<ConnectionExtra>();
  connection.extra->reset = true;
  const ::linger now{1, 0};
  ::setsockopt(connection.fd.get(), SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

}  // namespace holdfast::worker
