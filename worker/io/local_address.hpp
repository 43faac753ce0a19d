// Where a socket that somebody else bound listens.
#pragma once

#include <string>

namespace holdfast::worker {

// As to_string(ListenAddress): "127.0.0.1:80", "[::1]:80", "unix:/p", "unix:@name".
// REQUIRES: `fd` is a socket.
std::string local_address(int fd);

}  // namespace holdfast::worker
