#include "tests/support/load_client_connection.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

namespace holdfast::testing {
namespace {

constexpr std::size_t kFillerBlock = 64 * 1024;
const std::string& filler_block() {
  static const std::string block(kFillerBlock, 'u');
  return block;
}

}  // namespace

Connection::Io Connection::send_some() {
  Io outcome = Io::Blocked;
  while (sent < allowed) {
    const char* from = nullptr;
    std::uint64_t size = 0;
    if (sent < request.text.size()) {
      from = request.text.data() + sent;
      size = std::min<std::uint64_t>(request.text.size(), allowed) - sent;
    } else {
      from = filler_block().data();
      size = std::min<std::uint64_t>(allowed - sent, kFillerBlock);
    }
    const auto bytes = static_cast<std::size_t>(size);
    const ssize_t n = tls ? tls->send(from, bytes) : send(socket.get(), from, bytes, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return outcome;
      error = errno;
      return Io::Error;
    }
    sent += static_cast<std::uint64_t>(n);
    outcome = Io::Advanced;
  }
  return outcome;
}

Connection::Io Connection::receive(std::span<char> scratch) {
  bool emptied = false;
  const ssize_t n =
      tls ? tls->receive(scratch, emptied) : recv(socket.get(), scratch.data(), scratch.size(), 0);
  if (n == 0) return Io::Eof;
  if (n < 0) {
    if (errno == EAGAIN || errno == EINTR) return Io::Blocked;
    error = errno;
    return Io::Error;
  }
  const std::string_view bytes(scratch.data(), static_cast<std::size_t>(n));
  short_read = tls ? emptied : bytes.size() < scratch.size();
  extra_bytes = response.feed(bytes) < bytes.size();
  return Io::Advanced;
}

}  // namespace holdfast::testing
