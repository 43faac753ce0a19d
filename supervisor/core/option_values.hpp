// Values of options, as somebody wrote them, and where: on the command line, in the environment, in
// the file. Merging them gives the Options.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "shared/core/result.hpp"
#include "supervisor/core/option_row.hpp"

namespace holdfast::supervisor {

struct OptionValue {
  const OptionRow* row = nullptr;
  std::string text;
  // What an error calls it: "use HOLDFAST_WORKERS", "read /etc/shop.json:3:14".
  std::string where;
  std::optional<EnvironmentEntry> entry = {};  // instead of `text`, for a Map in the file
};
using OptionValues = std::vector<OptionValue>;

// What the command line says.
struct RunArguments {
  OptionValues flags;
  std::vector<std::string> command;  // behind the --
};

// Of the environment's variables those that are ours. One that begins with HOLDFAST_ and is none is
// an error, but for those that mean something else.
Result<OptionValues> values_of_environment(
    const std::vector<std::pair<std::string, std::string>>& environment);

// Weakest first: file, environment, flags. What several say, the last one decides; of the
// variables of workers it decides each.
Result<Options> merge_options(const std::vector<OptionValues>& sources);

// What a run needs beyond values that are good each for itself.
Result<void> check_options(const Options& options);

// Rows that cannot change while the supervisor lives and differ between the two.
std::vector<std::string> needs_restart(const std::vector<OptionValues>& now,
                                       const std::vector<OptionValues>& next);

}  // namespace holdfast::supervisor
