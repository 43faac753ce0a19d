#include "worker/metrics/privileges.hpp"

#include <cerrno>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace holdfast::metrics {

Result<void> drop_privileges(const std::string& user) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno_error("set no_new_privs", errno);
  if (::geteuid() != 0) return {};
  const std::string action = "become " + user;
  errno = 0;
  const passwd* entry = ::getpwnam(user.c_str());
  if (entry == nullptr && errno != 0) return errno_error(action, errno);
  if (entry == nullptr) return plain_error(action, "there is no such user");
  if (entry->pw_uid == 0) return plain_error(action, "it is root");
  if (::setgroups(0, nullptr) != 0 ||
      ::setresgid(entry->pw_gid, entry->pw_gid, entry->pw_gid) != 0 ||
      ::setresuid(entry->pw_uid, entry->pw_uid, entry->pw_uid) != 0)
    return errno_error(action, errno);
  return {};
}

}  // namespace holdfast::metrics
