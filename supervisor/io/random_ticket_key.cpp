#include "supervisor/io/random_ticket_key.hpp"

#include <cerrno>
#include <sys/random.h>

namespace holdfast::supervisor {

Result<TicketKey> random_ticket_key() {
  TicketKey key;
  // Up to 256 bytes come whole, and no signal interrupts (getrandom(2)).
  const ssize_t n = ::getrandom(key.bytes.data(), key.bytes.size(), 0);
  if (n < 0) return errno_error("make a ticket key", errno);
  if (static_cast<std::size_t>(n) != key.bytes.size())
    return plain_error("make a ticket key", "the kernel gave too few random bytes");
  return key;
}

}  // namespace holdfast::supervisor
