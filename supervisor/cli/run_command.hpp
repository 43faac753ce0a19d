// `holdfast run` on the command line: its flags are the rows of the option table.
#pragma once

#include "supervisor/core/option_values.hpp"

namespace CLI {
class App;
}

namespace holdfast::supervisor {

class RunCommand {
 public:
  // Both outlive the parsing, which fills `arguments`.
  RunCommand(CLI::App& app, RunArguments& arguments);
  bool chosen() const;

 private:
  CLI::App* run_ = nullptr;
};

}  // namespace holdfast::supervisor
