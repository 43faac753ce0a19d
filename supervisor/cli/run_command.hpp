// `holdfast run`, and `holdfast check`, which takes what run takes: their flags are the rows of the
// option table.
#pragma once

#include "supervisor/core/option_values.hpp"

namespace CLI {
class App;
}

namespace holdfast::supervisor {

class RunCommand {
 public:
  enum class Kind { Run, Check };

  // Both outlive the parsing, which fills `arguments`.
  RunCommand(CLI::App& app, Kind kind, RunArguments& arguments);
  bool chosen() const;

 private:
  CLI::App* command_ = nullptr;
};

}  // namespace holdfast::supervisor
