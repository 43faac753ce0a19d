// Whose rights workers have and what limits. Names are resolved before the fork; between fork and
// exec only system calls are made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>
#include <vector>

#include "shared/core/result.hpp"
#include "supervisor/core/options.hpp"

namespace holdfast::supervisor {

// What the user database says.
struct Account {
  std::string name;  // empty: a number without an entry; then there is no more than `uid`
  std::string home;
  std::string shell;
  uid_t uid = 0;
  std::optional<gid_t> gid;
};

// Nothing for an empty `user`; a name or a number.
Result<std::optional<Account>> find_account(const std::string& user);

struct WorkerIdentity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
};

struct WorkerRights {
  std::optional<WorkerIdentity> identity;  // nothing: the supervisor's own
  std::optional<std::uint64_t> nofile;
  std::optional<unsigned> umask;
  std::optional<int> nice;
  bool no_new_privs = false;
};

// Fails on a group that does not exist, and when we may not become that user: a worker must never
// keep rights that the operator took away.
Result<WorkerRights> resolve_rights(const Options& options, const std::optional<Account>& account);

// In the child. 0, or what rights_error() explains; then the child must not go on.
int take_rights(const WorkerRights& rights) noexcept;

// `code`: of take_rights(), or an errno.
std::string rights_error(int code);

}  // namespace holdfast::supervisor
