// The kernel calls that both programs make, each CLOEXEC from birth and safe against EINTR.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "shared/core/result.hpp"
#include "shared/core/time.hpp"
#include "shared/io/unique_fd.hpp"

namespace holdfast {

// open(2) with O_CLOEXEC added.
Result<UniqueFd> open_file(const std::string& path, int flags, unsigned mode = 0644);

// A second descriptor on the same open file description, above 2 (fcntl(2), F_DUPFD_CLOEXEC).
Result<UniqueFd> duplicate(int fd);

// A connected pair of nonblocking AF_UNIX SOCK_SEQPACKET sockets.
Result<std::pair<UniqueFd, UniqueFd>> seqpacket_pair();

// pipe2(2): {read end, write end}. The read end is nonblocking; the write end is not, because the
// process that gets it as its stderr expects an ordinary one.
Result<std::pair<UniqueFd, UniqueFd>> output_pipe();

Result<void> set_cloexec(int fd, bool on);

// Writes all of `bytes`, waiting where the descriptor would block. For small reports to stderr
// only.
bool write_fully(int fd, std::string_view bytes) noexcept;

// Waits until `fd` can be written or `timeout` has passed; true when it can.
bool wait_writable(int fd, Millis timeout) noexcept;

}  // namespace holdfast
