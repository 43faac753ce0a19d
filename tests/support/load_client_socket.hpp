// Where a load client connects to, and the socket calls it needs. Target::connect opens a
// nonblocking socket and begins the connect; errors come back as errno, never as exceptions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <sys/socket.h>

#include "shared/io/unique_fd.hpp"

namespace holdfast::testing {

int pending_error(int fd);  // SO_ERROR
int local_port(int fd);     // 0 when there is none

enum class Idle : std::uint8_t { Quiet, Closed, Reset, Bytes };
// What has arrived on a connection that no request is open on; takes nothing from it.
Idle probe_idle(int fd);

class Target {
 public:
  // Throws std::invalid_argument.
  explicit Target(std::string_view address);

  // 0 (connected), EINPROGRESS, or what went wrong. Throws std::system_error when the client has no
  // descriptors or no ports left: that is not the server's doing.
  int connect(UniqueFd& socket);

  const std::string& host() const { return host_; }  // for the Host header
  bool is_unix() const { return address_.ss_family == AF_UNIX; }

 private:
  bool bind_next_source(int fd);

  sockaddr_storage address_{};
  socklen_t length_ = 0;
  std::string host_;
  std::uint8_t source_ = 1;  // 127.0.0.source_
};

}  // namespace holdfast::testing
