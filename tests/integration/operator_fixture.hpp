// What tests of the operator's tool share: the commands, run as a shell would, and a bare client of
// the control socket that says what it likes.
#pragma once

#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <vector>

#include <nlohmann/json.hpp>

#include "tests/support/child_process.hpp"
#include "tests/support/supervisor_run.hpp"

namespace holdfast::testing {

inline std::vector<std::string> command_for(const std::string& name,
                                            std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), holdfast_path());
  arguments.insert(arguments.end(), {"--name", name});
  return arguments;
}

// `holdfast ARGUMENTS --name ...`, to its end.
inline CommandResult ask(const SupervisorRun& run, std::vector<std::string> arguments) {
  return run_command(command_for(run.name(), std::move(arguments)));
}

inline nlohmann::json status_of(const SupervisorRun& run) {
  return nlohmann::json::parse(ask(run, {"status", "--json"}).out);
}

// The last line that is JSON.
inline nlohmann::json verdict_in(const CommandResult& result) {
  const auto end = result.out.find_last_not_of('\n');
  const auto begin = result.out.rfind('\n', end);
  return nlohmann::json::parse(result.out.substr(begin == std::string::npos ? 0 : begin + 1),
                               nullptr, false);
}

class BareOperator {
 public:
  explicit BareOperator(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    connected_ = ::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }

  bool connected() const { return connected_; }
  int fd() const { return fd_.get(); }
  // As much of it as is taken.
  void say(std::string_view bytes) {
    (void)::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  }
  void say_no_more() { ::shutdown(fd_.get(), SHUT_WR); }

  // The next line; "" at the end of the connection, or when `cap` passes.
  std::string hear(Millis cap = kCap) {
    for (;;) {
      if (const auto end = buffer_.find('\n'); end != std::string::npos) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        return line;
      }
      char bytes[4096];
      if (!wait_readable(fd_.get(), cap)) return "";
      const ssize_t n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
      if (n <= 0) return "";
      buffer_.append(bytes, static_cast<std::size_t>(n));
    }
  }
  nlohmann::json hear_json() { return nlohmann::json::parse(hear(), nullptr, false); }

 private:
  UniqueFd fd_;
  bool connected_ = false;
  std::string buffer_;
};

}  // namespace holdfast::testing
