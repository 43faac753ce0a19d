// What one generation is made of: options, command, environment, rights. Read anew for each one, so
// that a failed reload changes nothing of the one that serves.
#pragma once

#include <vector>

#include "shared/core/result.hpp"
#include "supervisor/core/options.hpp"
#include "supervisor/io/launch_plan.hpp"
#include "supervisor/io/option_loader.hpp"

namespace holdfast::supervisor {

struct GenerationSettings {
  Options options;
  LaunchPlan plan;
  std::vector<OptionValues> values;  // what the options were made of
};

// The command found, the environment put together, users and groups looked up.
Result<LaunchPlan> plan_for(const Options& options);

// Reads files, resolves names, changes nothing. Fails with the line that the operator reads.
Result<GenerationSettings> read_generation_settings(const OptionSources& sources);

}  // namespace holdfast::supervisor
