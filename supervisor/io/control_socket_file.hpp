// The control socket in the file system: made with its mode from birth, removed at the end.
#pragma once

#include <optional>
#include <string>

#include "shared/core/result.hpp"
#include "shared/io/bind_listener.hpp"

namespace holdfast::supervisor {

struct ControlSocketFile {
  BoundListener listener;
  std::optional<gid_t> group;  // who may use it beside root and its owner
};

// Where a supervisor of that name listens, and where its clients look: in the runtime directory.
std::string control_path(const std::string& name);

// Fails when there is no such group; none is no failure.
Result<void> check_control_group(const std::string& group);

// 0600, or 0660 and of that group. A socket that refuses a connect is stale and replaced; a live
// one is an error.
Result<ControlSocketFile> open_control_socket(const std::string& path, const std::string& group);

// At control_path(name). A group that may use it may find it, too.
Result<ControlSocketFile> open_default_control_socket(const std::string& name,
                                                      const std::string& group);

}  // namespace holdfast::supervisor
