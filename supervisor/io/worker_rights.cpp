#include "supervisor/io/worker_rights.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace holdfast::supervisor {
namespace {

constexpr std::size_t kEntry = std::size_t{64} * 1'024;  // of the user or group database
constexpr int kMostGroups = 65'536;                      // NGROUPS_MAX (setgroups(2))

// What failed, above the bits of the errno: one number is all that a child can report.
enum class Step { None, Nofile, Nice, Groups, Group, User, Regained, NoNewPrivs };
constexpr unsigned kStepShift = 16;

int failed_at(Step step) {
  return static_cast<int>(static_cast<unsigned>(step) << kStepShift) | errno;
}

std::optional<std::uint32_t> number_of(const std::string& text) {
  std::uint32_t value = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  // The greatest number means "leave it as it is" to the kernel (setresuid(2)).
  const bool good = failed == std::errc{} && end == text.data() + text.size() && value != ~0U;
  return good ? std::optional(value) : std::nullopt;
}

Result<gid_t> find_group(const std::string& name) {
  std::vector<char> buffer(kEntry);
  group entry{};
  group* found = nullptr;
  const int error = ::getgrnam_r(name.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (found != nullptr) return found->gr_gid;
  if (const auto number = number_of(name)) return static_cast<gid_t>(*number);
  if (error != 0) return errno_error("find the group " + name, error);
  return plain_error("run workers in the group " + name, "there is no group " + name);
}

Result<std::vector<gid_t>> groups_of(const Account& account, gid_t gid) {
  if (account.name.empty()) return std::vector<gid_t>{gid};
  int count = 64;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  while (::getgrouplist(account.name.c_str(), gid, groups.data(), &count) < 0) {
    if (count > kMostGroups) return plain_error("find the groups of " + account.name, "too many");
    count = std::max(count, static_cast<int>(groups.size()) * 2);
    groups.resize(static_cast<std::size_t>(count));
  }
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

// Nothing to do, so that nobody needs the right to do it.
bool is_ours_already(const WorkerIdentity& identity) {
  std::vector<gid_t> ours(static_cast<std::size_t>(std::max(0, ::getgroups(0, nullptr))));
  if (::getgroups(static_cast<int>(ours.size()), ours.data()) < 0) return false;
  const auto among_ours = [&](gid_t group) {
    return group == ::getegid() || std::ranges::find(ours, group) != ours.end();
  };
  return identity.uid == ::getuid() && identity.uid == ::geteuid() && identity.gid == ::getgid() &&
         identity.gid == ::getegid() && std::ranges::all_of(identity.groups, among_ours);
}

Result<std::optional<WorkerIdentity>> resolve_identity(const Options& options,
                                                       const std::optional<Account>& account) {
  if (!account) return std::optional<WorkerIdentity>();
  WorkerIdentity identity;
  identity.uid = account->uid;
  if (!options.group.empty()) {
    HOLDFAST_ASSIGN(identity.gid, find_group(options.group));
  } else if (account->gid) {
    identity.gid = *account->gid;
  } else {
    return plain_error("run workers as user " + options.user,
                       "it has no entry in the user database that says its group; give --group");
  }
  if (options.groups.empty()) {
    HOLDFAST_ASSIGN(identity.groups, groups_of(*account, identity.gid));
  }
  for (const std::string& name : options.groups) {
    HOLDFAST_ASSIGN(const gid_t group, find_group(name));
    identity.groups.push_back(group);
  }
  if (::geteuid() == 0) return std::optional(std::move(identity));
  if (is_ours_already(identity)) return std::optional<WorkerIdentity>();
  return plain_error("run workers as user " + options.user,
                     "only root can; this supervisor runs as uid " + std::to_string(::geteuid()));
}

bool take_identity(const WorkerIdentity& identity, Step& step) {
  // Without libc, which would look for other threads to tell.
  step = Step::Groups;
  if (::syscall(SYS_setgroups, identity.groups.size(), identity.groups.data()) != 0) return false;
  step = Step::Group;
  if (::syscall(SYS_setresgid, identity.gid, identity.gid, identity.gid) != 0) return false;
  step = Step::User;
  if (::syscall(SYS_setresuid, identity.uid, identity.uid, identity.uid) != 0) return false;
  if (identity.uid == 0) return true;
  step = Step::Regained;
  errno = 0;
  return ::getuid() == identity.uid && ::geteuid() == identity.uid &&
         ::syscall(SYS_setresuid, -1, 0, -1) != 0 && ::geteuid() == identity.uid;
}

}  // namespace

Result<std::optional<Account>> find_account(const std::string& user) {
  if (user.empty()) return std::optional<Account>();
  std::vector<char> buffer(kEntry);
  passwd entry{};
  passwd* found = nullptr;
  int error = ::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found);
  const auto number = number_of(user);
  if (found == nullptr && number)
    error = ::getpwuid_r(*number, &entry, buffer.data(), buffer.size(), &found);
  Account account;
  if (found != nullptr) {
    account = {found->pw_name, found->pw_dir, found->pw_shell, found->pw_uid, found->pw_gid};
  } else if (number) {
    account.uid = *number;
  } else if (error != 0) {
    return errno_error("find the user " + user, error);
  } else {
    return plain_error("run workers as user " + user, "there is no user " + user);
  }
  return std::optional(std::move(account));
}

Result<WorkerRights> resolve_rights(const Options& options, const std::optional<Account>& account) {
  WorkerRights rights;
  HOLDFAST_ASSIGN(rights.identity, resolve_identity(options, account));
  rights.nofile = options.nofile;
  rights.umask = options.umask;
  rights.nice = options.nice;
  rights.no_new_privs = options.no_new_privs;
  rlimit limit{};
  if (rights.nofile && ::geteuid() != 0 && ::getrlimit(RLIMIT_NOFILE, &limit) == 0 &&
      *rights.nofile > limit.rlim_max) {
    return plain_error(
        "give workers " + std::to_string(*rights.nofile) + " descriptors",
        "the limit is " + std::to_string(limit.rlim_max) + ", and only root can raise it");
  }
  return rights;
}

// Limits first: raising them needs the rights that go then.
int take_rights(const WorkerRights& rights) noexcept {
  if (rights.nofile) {
    const rlimit limit{*rights.nofile, *rights.nofile};
    if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return failed_at(Step::Nofile);
  }
  if (rights.nice && ::setpriority(PRIO_PROCESS, 0, *rights.nice) != 0)
    return failed_at(Step::Nice);
  if (rights.umask) ::umask(*rights.umask);
  Step step = Step::None;
  if (rights.identity && !take_identity(*rights.identity, step)) return failed_at(step);
  if (rights.no_new_privs && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return failed_at(Step::NoNewPrivs);
  return 0;
}

std::string rights_error(int code) {
  constexpr std::array<const char*, 8> kSteps{"",
                                              "cannot set its limit of descriptors: ",
                                              "cannot set its priority: ",
                                              "cannot set its groups: ",
                                              "cannot set its group: ",
                                              "cannot set its user: ",
                                              "it could become root again: ",
                                              "cannot set no_new_privs: "};
  const auto step = static_cast<unsigned>(code) >> kStepShift;
  const int error = static_cast<int>(static_cast<unsigned>(code) & ((1U << kStepShift) - 1));
  return std::string(kSteps[std::min<std::size_t>(step, kSteps.size() - 1)]) + std::strerror(error);
}

}  // namespace holdfast::supervisor
