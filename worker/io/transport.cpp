#include "worker/io/transport.hpp"

#include <cerrno>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include "worker/io/connection.hpp"

namespace holdfast::worker {

ssize_t receive(Connection& connection, char* into, std::size_t size, bool& more) {
  ssize_t n = 0;
  do {
    n = ::recv(connection.fd.get(), into, size, MSG_DONTWAIT);
  } while (n < 0 && errno == EINTR);
  more = n == static_cast<ssize_t>(size);
  return n;
}

ssize_t transmit(Connection& connection, const char* bytes, std::size_t size, bool more) {
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

bool can_transmit_files(const Connection&) { return true; }

bool bytes_waiting(const Connection& connection) {
  char byte = 0;
  return ::recv(connection.fd.get(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

void end_output(Connection& connection) { ::shutdown(connection.fd.get(), SHUT_WR); }

}  // namespace holdfast::worker
