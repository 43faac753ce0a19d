// A port of 127.0.0.1 for a server that binds by itself, and with SO_REUSEADDR: until the end of
// the test the kernel gives it to nobody who asks for any port or connects.
#pragma once

#include <cerrno>
#include <cstdint>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <system_error>

#include "shared/io/unique_fd.hpp"

namespace holdfast::testing {

class ReservedPort {
 public:
  // 0: any that is free.
  explicit ReservedPort(std::uint16_t wanted = 0)
      : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const int on = 1;
    ::setsockopt(fd_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(wanted);
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t size = sizeof address;
    // It never listens: then bind(2) of another with SO_REUSEADDR succeeds.
    if (::bind(fd_.get(), generic, size) != 0 || ::getsockname(fd_.get(), generic, &size) != 0)
      throw std::system_error(errno, std::generic_category(), "reserve a port");
    number_ = ntohs(address.sin_port);
  }

  std::uint16_t number() const { return number_; }
  std::string text() const { return std::to_string(number_); }
  std::string address() const { return "127.0.0.1:" + text(); }

 private:
  UniqueFd fd_;
  std::uint16_t number_ = 0;
};

}  // namespace holdfast::testing
