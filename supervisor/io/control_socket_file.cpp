#include "supervisor/io/control_socket_file.hpp"

#include <cerrno>
#include <grp.h>
#include <sys/stat.h>

#include "supervisor/io/instance_lock.hpp"

namespace holdfast::supervisor {
namespace {

constexpr std::size_t kMaxSocketPath = 107;  // unix(7)

Result<gid_t> group_named(const std::string& name) {
  const group* entry = ::getgrnam(name.c_str());
  if (entry == nullptr)
    return plain_error("open the control socket to group " + name, "there is no such group");
  return entry->gr_gid;
}

}  // namespace

std::string control_path(const std::string& name) { return runtime_path() + "/" + name + ".sock"; }

Result<void> check_control_group(const std::string& group) {
  if (!group.empty()) HOLDFAST_TRY(group_named(group));
  return {};
}

Result<ControlSocketFile> open_control_socket(const std::string& path, const std::string& group) {
  if (path.empty() || path.front() == '@')
    return plain_error("listen on the control socket " + path, "it needs a path of a file");
  if (path.size() > kMaxSocketPath)
    return plain_error("listen on the control socket " + path,
                       "a socket's path has at most 107 bytes");
  ControlSocketFile file;
  if (!group.empty()) {
    HOLDFAST_ASSIGN(const gid_t id, group_named(group));
    file.group = id;
  }
  const std::uint32_t mode = group.empty() ? 0600 : 0660;
  HOLDFAST_ASSIGN(file.listener, bind_listener(UnixAddress{path, mode, "", group}));
  return file;
}

Result<ControlSocketFile> open_default_control_socket(const std::string& name,
                                                      const std::string& group) {
  HOLDFAST_TRY(runtime_directory());
  if (!group.empty() && ::chmod(runtime_path().c_str(), 0711) != 0)
    return errno_error("let group " + group + " enter " + runtime_path(), errno);
  return open_control_socket(control_path(name), group);
}

}  // namespace holdfast::supervisor
