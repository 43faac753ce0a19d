#include "supervisor/io/generation_settings.hpp"

namespace holdfast::supervisor {

Result<GenerationSettings> read_generation_settings(const OptionSources& sources) {
  GenerationSettings settings;
  HOLDFAST_ASSIGN(LoadedOptions loaded, load_options(sources));
  settings.options = std::move(loaded.options);
  settings.values = std::move(loaded.values);
  HOLDFAST_ASSIGN(settings.plan, make_launch_plan(settings.options.command, settings.options.cwd));
  return settings;
}

}  // namespace holdfast::supervisor
