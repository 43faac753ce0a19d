#include "shared/io/log_target.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include "shared/io/syscall.hpp"

namespace holdfast {
namespace {

Result<UniqueFd> open_standard(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return errno_error(fd == 1 ? "open stdout" : "open stderr", errno);
  if (S_ISFIFO(info.st_mode) || S_ISCHR(info.st_mode)) {
    auto fresh = open_file("/proc/self/fd/" + std::to_string(fd), O_WRONLY | O_NONBLOCK | O_NOCTTY);
    if (fresh) return fresh;
    // A terminal that belongs to another user cannot be opened anew (EACCES): share it.
  }
  // A regular file is shared on purpose: with `>log 2>&1` events and access lines then move one
  // file offset, where a private one would overwrite. A socket (journald) cannot be opened anew at
  // all (ENXIO).
  return duplicate(fd);
}

}  // namespace

Result<UniqueFd> open_log_target(const std::string& target) {
  if (target == "off") return UniqueFd();
  if (target == "stdout") return open_standard(1);
  if (target == "stderr") return open_standard(2);
  return open_file(target, O_WRONLY | O_APPEND | O_CREAT | O_NOCTTY | O_NONBLOCK, 0640);
}

}  // namespace holdfast
