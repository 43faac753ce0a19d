#include "supervisor/client/client_options.hpp"

#include <cstdlib>

#include "supervisor/io/control_socket_file.hpp"

namespace holdfast::supervisor {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

Target find_target(const ClientOptions& options) {
  std::string path = options.control.empty() ? variable("HOLDFAST_CONTROL") : options.control;
  if (!path.empty()) return {path, path, false};
  std::string name = options.name.empty() ? variable("HOLDFAST_NAME") : options.name;
  if (name.empty()) name = "default";
  return {control_path(name), "'" + name + "'", true};
}

}  // namespace holdfast::supervisor
