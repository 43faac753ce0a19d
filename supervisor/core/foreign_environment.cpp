#include "supervisor/core/foreign_environment.hpp"

#include <algorithm>
#include <string_view>

namespace holdfast::supervisor {
namespace {

std::string_view name_of(std::string_view variable) {
  return variable.substr(0, variable.find('='));
}

// "8080", "127.0.0.1:8080", "[::1]:8080", "/run/app.sock" (Server::Starter).
std::string starter_name(std::string address) {
  constexpr std::string_view kUnix = "unix:";
  if (address.starts_with(kUnix)) return address.substr(kUnix.size());
  if (address.starts_with(':')) return address.substr(1);
  return address;
}

void systemd(const ForeignStart& start, ForeignEnvironment& environment) {
  std::string names;
  for (const ListenerInfo& listener : start.listeners) {
    if (!names.empty()) names += ':';
    names += listener.name;
  }
  auto& variables = environment.variables;
  variables.push_back("LISTEN_FDS=" + std::to_string(start.listeners.size()));
  variables.push_back("LISTEN_FDNAMES=" + names);
  environment.pid_variables.emplace_back("LISTEN_PID");
  if (!start.notify_socket.empty()) variables.push_back("NOTIFY_SOCKET=" + start.notify_socket);
  if (start.watchdog) {
    variables.push_back("WATCHDOG_USEC=" + std::to_string(start.watchdog->count() * 1'000));
    environment.pid_variables.emplace_back("WATCHDOG_PID");
  }
}

void start_server(const ForeignStart& start, ForeignEnvironment& environment) {
  std::string ports;
  for (std::size_t i = 0; i < start.listeners.size(); ++i) {
    if (i > 0) ports += ';';
    ports += starter_name(start.listeners[i].address) + '=' +
             std::to_string(kFirstListener + static_cast<int>(i));
  }
  environment.variables.push_back("SERVER_STARTER_PORT=" + ports);
  environment.variables.push_back("SERVER_STARTER_GENERATION=" +
                                  std::to_string(start.generation.value));
}

void einhorn(const ForeignStart& start, ForeignEnvironment& environment) {
  auto& variables = environment.variables;
  variables.push_back("EINHORN_MASTER_PID=" + std::to_string(start.supervisor_pid));
  variables.push_back("EINHORN_FD_COUNT=" + std::to_string(start.listeners.size()));
  std::string all;
  for (std::size_t i = 0; i < start.listeners.size(); ++i) {
    const std::string fd = std::to_string(kFirstListener + static_cast<int>(i));
    variables.push_back("EINHORN_FD_" + std::to_string(i) + "=" + fd);
    all += (i > 0 ? " " : "") + fd;
  }
  variables.push_back("EINHORN_FDS=" + all);
  variables.push_back("EINHORN_CHILD_INDEX=" + std::to_string(start.child_index));
  if (!start.einhorn_path.empty()) variables.push_back("EINHORN_SOCK_PATH=" + start.einhorn_path);
  if (start.einhorn_fd) variables.push_back("EINHORN_SOCK_FD=" + std::to_string(*start.einhorn_fd));
}

}  // namespace

ForeignEnvironment environment_for(const ForeignStart& start) {
  ForeignEnvironment environment;
  switch (start.protocol) {
    case WorkerProtocol::Native:
      break;
    case WorkerProtocol::Systemd:
      systemd(start, environment);
      break;
    case WorkerProtocol::StartServer:
      start_server(start, environment);
      break;
    case WorkerProtocol::Einhorn:
      einhorn(start, environment);
      break;
  }
  return environment;
}

Result<std::string> with_descriptors(const std::string& text, const ForeignStart& start) {
  constexpr std::string_view kOpen = "{fd:";
  std::string out;
  std::size_t at = 0;
  for (std::size_t open = text.find(kOpen); open != std::string::npos;
       open = text.find(kOpen, at)) {
    const std::size_t close = text.find('}', open);
    if (close == std::string::npos) break;
    const std::string name = text.substr(open + kOpen.size(), close - open - kOpen.size());
    const auto found = std::ranges::find(start.listeners, name, &ListenerInfo::name);
    if (found == start.listeners.end()) {
      return plain_error("replace {fd:" + name + "}", "no listener has that name");
    }
    out += text.substr(at, open - at) +
           std::to_string(kFirstListener + (found - start.listeners.begin()));
    at = close + 1;
  }
  out += text.substr(at);
  return {boost::system::in_place_value,
          with_numbers(std::move(out), start.generation, start.worker)};
}

std::vector<std::string> merge_environment(std::vector<std::string> environment,
                                           const ForeignEnvironment& added) {
  const auto replaced = [&](const std::string& variable) {
    const std::string_view name = name_of(variable);
    return std::ranges::any_of(added.variables,
                               [&](const std::string& other) { return name_of(other) == name; }) ||
           std::ranges::count(added.pid_variables, name) > 0;
  };
  std::erase_if(environment, replaced);
  environment.insert(environment.end(), added.variables.begin(), added.variables.end());
  return environment;
}

}  // namespace holdfast::supervisor
