#include "supervisor/io/instance_lock.hpp"

#include <array>
#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/io/syscall.hpp"

namespace holdfast::supervisor {
namespace {

Result<void> make_private(const std::string& folder) {
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return errno_error("create " + folder, errno);
  }
  struct stat info {};
  if (::lstat(folder.c_str(), &info) != 0) return errno_error("use " + folder, errno);
  // In a directory that all may write to, somebody else may have made it first.
  if (!S_ISDIR(info.st_mode)) return plain_error("use " + folder, "it is not a directory");
  if (info.st_uid != ::geteuid()) return plain_error("use " + folder, "it belongs to another user");
  if ((info.st_mode & 022) != 0) return plain_error("use " + folder, "others may write to it");
  return {};
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string holder_of(int file) {
  std::array<char, 32> text{};
  const ssize_t size = ::pread(file, text.data(), text.size() - 1, 0);
  std::string pid(text.data(), size > 0 ? static_cast<std::size_t>(size) : 0);
  if (const std::size_t end = pid.find('\n'); end != std::string::npos) pid.resize(end);
  return pid.empty() ? "a live supervisor" : "the supervisor with pid " + pid;
}

bool is_at(const std::string& path, int file) {
  struct stat named {};
  struct stat held {};
  return ::stat(path.c_str(), &named) == 0 && ::fstat(file, &held) == 0 &&
         named.st_dev == held.st_dev && named.st_ino == held.st_ino;
}

// For the error that a second supervisor prints. The lock is what counts, so a failure is nothing.
void write_pid(int file) {
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file, 0) == 0 && ::pwrite(file, pid.data(), pid.size(), 0) >= 0) return;
}

}  // namespace

std::string runtime_path() {
  if (::geteuid() == 0) return "/run/holdfast";
  if (const std::string runtime = environment("XDG_RUNTIME_DIR"); !runtime.empty())
    return runtime + "/holdfast";
  const std::string temporary = environment("TMPDIR");
  return (temporary.empty() ? "/tmp" : temporary) + "/holdfast-" + std::to_string(::geteuid());
}

Result<std::string> runtime_directory() {
  const std::string folder = runtime_path();
  HOLDFAST_TRY(make_private(folder));
  return {boost::system::in_place_value, folder};
}

Result<InstanceLock> lock_instance(const std::string& name) {
  const auto folder = runtime_directory();
  if (!folder) return InstanceLock{{}, {}, folder.error().message};
  const std::string path = *folder + "/" + name + ".lock";
  for (;;) {
    auto file = open_file(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
    if (!file) return InstanceLock{{}, {}, file.error().message};
    if (::flock(file->get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) {
        return InstanceLock{{}, {}, errno_error("lock the name " + name, errno).message};
      }
      const std::string cause =
          "the name is held by " + holder_of(file->get()) + "; choose another --name";
      return plain_error("run as '" + name + "'", cause);
    }
    // Its last holder may have removed the file between our open and our lock; then the lock is on
    // a file that nobody else will find.
    if (!is_at(path, file->get())) continue;
    write_pid(file->get());
    return InstanceLock{std::move(*file), path, {}};
  }
}

void unlock_instance(InstanceLock& lock) {
  if (!lock.file) return;
  ::unlink(lock.path.c_str());  // before the lock goes, so that it is surely ours
  lock.file.reset();
}

}  // namespace holdfast::supervisor
