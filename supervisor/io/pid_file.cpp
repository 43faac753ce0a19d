#include "supervisor/io/pid_file.hpp"

#include <cerrno>
#include <cstdio>
#include <fcntl.h>
#include <fstream>
#include <unistd.h>

#include "shared/io/syscall.hpp"

namespace holdfast::supervisor {

Result<void> write_pid_file(const std::string& path) {
  const std::string temporary = path + "." + std::to_string(::getpid()) + ".new";
  const std::string text = std::to_string(::getpid()) + "\n";
  ::unlink(temporary.c_str());
  HOLDFAST_ASSIGN(const UniqueFd file,
                  open_file(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644));
  const auto size = static_cast<ssize_t>(text.size());
  int error = 0;
  if (::write(file.get(), text.data(), text.size()) != size) {
    error = errno != 0 ? errno : ENOSPC;
  } else if (::rename(temporary.c_str(), path.c_str()) != 0) {
    error = errno;
  }
  if (error == 0) return {};
  ::unlink(temporary.c_str());
  return errno_error("write " + path, error);
}

void remove_pid_file(const std::string& path) {
  long pid = 0;
  std::ifstream(path) >> pid;
  if (pid == ::getpid()) ::unlink(path.c_str());
}

}  // namespace holdfast::supervisor
