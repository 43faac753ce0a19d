#include "supervisor/io/whole_file.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/io/syscall.hpp"

namespace holdfast::supervisor {
namespace {

constexpr std::size_t kLargestFile = std::size_t{1} << 20U;

}  // namespace

Result<std::string> read_whole_file(const std::string& path) {
  const std::string action = "read " + path;
  auto file = open_file(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
  if (!file) return errno_error(action, file.error().code);
  struct stat info {};
  if (::fstat(file->get(), &info) != 0) return errno_error(action, errno);
  if (S_ISDIR(info.st_mode)) return errno_error(action, EISDIR);
  if (!S_ISREG(info.st_mode)) return plain_error(action, "it is no regular file");
  std::string text;
  std::array<char, 16'384> chunk{};
  for (;;) {
    const ssize_t size = ::read(file->get(), chunk.data(), chunk.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return errno_error(action, errno);
    if (size == 0) return {boost::system::in_place_value, std::move(text)};
    text.append(chunk.data(), static_cast<std::size_t>(size));
    if (text.size() > kLargestFile) return plain_error(action, "it is larger than 1 MiB");
  }
}

}  // namespace holdfast::supervisor
