// What the tests of supervisor/io share: a loop that runs until something is true, and pipes.
#pragma once

#include <functional>
#include <string>
#include <unistd.h>

#include <boost/asio/io_context.hpp>

#include "shared/core/time.hpp"
#include "shared/io/syscall.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast::supervisor {

// Runs handlers until `done` or the deadline; false at the deadline.
inline bool run_until(boost::asio::io_context& io, const std::function<bool()>& done,
                      Millis timeout = Millis{10'000}) {
  const TimePoint deadline = Clock::now() + timeout;
  while (!done()) {
    if (Clock::now() >= deadline) return false;
    io.restart();
    io.run_one_until(deadline);
  }
  return true;
}

inline std::string read_all(int fd) {
  std::string all;
  char buffer[4096];
  for (;;) {
    const ssize_t n = ::read(fd, buffer, sizeof buffer);
    if (n <= 0) return all;
    all.append(buffer, static_cast<std::size_t>(n));
  }
}

}  // namespace holdfast::supervisor
