#include "supervisor/io/generation_settings.hpp"

namespace holdfast::supervisor {

Result<LaunchPlan> plan_for(const Options& options) {
  return make_launch_plan(options.command, options.cwd);
}

Result<GenerationSettings> read_generation_settings(const OptionSources& sources) {
  GenerationSettings settings;
  HOLDFAST_ASSIGN(LoadedOptions loaded, load_options(sources));
  settings.options = std::move(loaded.options);
  settings.values = std::move(loaded.values);
  HOLDFAST_ASSIGN(settings.plan, plan_for(settings.options));
  return settings;
}

}  // namespace holdfast::supervisor
