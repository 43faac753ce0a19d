#include "worker/metrics/privileges.hpp"

#include <cerrno>
#include <grp.h>
#include <string>
#include <sys/prctl.h>
#include <unistd.h>

namespace holdfast::metrics {

Result<void> drop_privileges(uid_t uid, gid_t gid) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno_error("set no_new_privs", errno);
  if (::geteuid() != 0) return {};
  const std::string action = "become user " + std::to_string(uid);
  if (uid == 0) return plain_error(action, "it is root");
  if (::setgroups(0, nullptr) != 0 || ::setresgid(gid, gid, gid) != 0 ||
      ::setresuid(uid, uid, uid) != 0)
    return errno_error(action, errno);
  const auto same = static_cast<uid_t>(-1);
  if (::setresuid(same, 0, same) == 0) return plain_error(action, "it could become root again");
  return {};
}

}  // namespace holdfast::metrics
