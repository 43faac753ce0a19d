// reload, stop, status, scale, reopen-logs and events on the command line.
#pragma once

#include <optional>

#include "supervisor/client/client_options.hpp"

namespace CLI {  // NOLINT(readability-identifier-naming): not ours
class App;
}

namespace holdfast::supervisor {

class ClientCommands {
 public:
  // Both outlive the parsing, which fills `options`.
  ClientCommands(CLI::App& app, ClientOptions& options);

  // Which one was asked for; nothing: another command.
  bool chosen() const { return chosen_; }

 private:
  CLI::App* add(ClientOptions::Command command, const char* name, const char* help);
  void add_timeout(CLI::App& command, const char* help);
  void add_json(CLI::App& command, const char* help);
  void add_reload();
  void add_stop();
  void add_status();
  void add_events();
  void add_scale();

  CLI::App& app_;
  ClientOptions& options_;
  bool chosen_ = false;
};

}  // namespace holdfast::supervisor
