// Where the options of a run come from, and reading them: at the start, and again at each reload.
#pragma once

#include <string>
#include <vector>

#include "shared/core/result.hpp"
#include "supervisor/core/option_values.hpp"

namespace holdfast::supervisor {

// What stays as it was at the start, whatever the file says later.
struct OptionSources {
  std::string config;  // empty: no file
  OptionValues environment;
  OptionValues flags;
  std::vector<std::string> command;  // of the command line; empty: the file has it
};

// Fails on a variable that begins with HOLDFAST_ and is none of ours, or has no good value.
Result<OptionSources> find_option_sources(const RunArguments& arguments);

struct LoadedOptions {
  Options options;
  std::vector<OptionValues> values;  // weakest first
};

// Reads the file, changes nothing. Fails with the line that the operator reads.
Result<LoadedOptions> load_options(const OptionSources& sources);

}  // namespace holdfast::supervisor
