#include "shared/io/socket_access.hpp"

#include <cerrno>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/io/syscall.hpp"

namespace holdfast {
namespace {

constexpr mode_t kAll = 0777;

mode_t mode_of_new_files() {
  const mode_t mask = ::umask(0);
  ::umask(mask);
  return kAll & ~mask;
}

}  // namespace

Result<SocketOwner> find_owner(const UnixAddress& address, const std::string& action) {
  SocketOwner owner;
  if (!address.user.empty()) {
    const passwd* entry = ::getpwnam(address.user.c_str());
    if (entry == nullptr) return plain_error(action, "no user " + address.user);
    owner.user = entry->pw_uid;
  }
  if (!address.group.empty()) {
    const group* entry = ::getgrnam(address.group.c_str());
    if (entry == nullptr) return plain_error(action, "no group " + address.group);
    owner.group = entry->gr_gid;
  }
  return owner;
}

Result<void> change_access(const BoundListener& listener, const UnixAddress& was,
                           const UnixAddress& wanted) {
  const std::string action = "change who may connect to " + listener.address;
  HOLDFAST_ASSIGN(SocketOwner owner, find_owner(wanted, action));
  if (wanted.user.empty() && !was.user.empty()) owner.user = ::geteuid();
  if (wanted.group.empty() && !was.group.empty()) owner.group = ::getegid();
  // A descriptor, so that what is looked at and what is changed are the same file.
  HOLDFAST_ASSIGN(const UniqueFd file, open_file(listener.path, O_PATH | O_NOFOLLOW));
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return errno_error(action, errno);
  if (info.st_dev != listener.device || info.st_ino != listener.inode)
    return plain_error(action, "another file is there");
  // fchmod(2) takes no O_PATH descriptor.
  const std::string by_number = "/proc/self/fd/" + std::to_string(file.get());
  const mode_t old_mode = info.st_mode & kAll;
  mode_t mode = old_mode;
  if (wanted.mode != was.mode) mode = wanted.mode.value_or(mode_of_new_files());
  if (::chmod(by_number.c_str(), old_mode & mode) != 0) return errno_error(action, errno);
  const int owned = ::fchownat(file.get(), "", owner.user, owner.group, AT_EMPTY_PATH);
  const int error = errno;
  if (owned != 0) mode = old_mode;
  if (::chmod(by_number.c_str(), mode) != 0) return errno_error(action, errno);
  if (owned != 0) return errno_error(action, error);
  return {};
}

}  // namespace holdfast
