#include "worker/metrics/privileges.hpp"

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <unistd.h>

namespace holdfast::metrics {
namespace {

struct Ids {
  uid_t uid = 0;
  gid_t gid = 0;
};

// A name, or a number that need not be in the database: then its group has the same number.
Result<Ids> ids_of(const std::string& user, const std::string& action) {
  errno = 0;
  if (const passwd* entry = ::getpwnam(user.c_str())) return Ids{entry->pw_uid, entry->pw_gid};
  if (errno != 0 && errno != ENOENT) return errno_error(action, errno);
  std::uint32_t number = 0;
  const char* end = user.data() + user.size();
  const auto [last, failed] = std::from_chars(user.data(), end, number);
  if (failed != std::errc{} || last != end) return plain_error(action, "there is no such user");
  if (const passwd* entry = ::getpwuid(number)) return Ids{entry->pw_uid, entry->pw_gid};
  return Ids{number, number};
}

}  // namespace

Result<void> drop_privileges(const std::string& user) {
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return errno_error("set no_new_privs", errno);
  if (::geteuid() != 0) return {};
  const std::string action = "become " + user;
  HOLDFAST_ASSIGN(const Ids ids, ids_of(user, action));
  if (ids.uid == 0) return plain_error(action, "it is root");
  if (::setgroups(0, nullptr) != 0 || ::setresgid(ids.gid, ids.gid, ids.gid) != 0 ||
      ::setresuid(ids.uid, ids.uid, ids.uid) != 0)
    return errno_error(action, errno);
  return {};
}

}  // namespace holdfast::metrics
