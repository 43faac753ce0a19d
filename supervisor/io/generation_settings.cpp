#include "supervisor/io/generation_settings.hpp"

#include "supervisor/io/control_socket_file.hpp"
#include "supervisor/io/generation_environment.hpp"
#include "supervisor/io/worker_rights.hpp"

namespace holdfast::supervisor {

Result<LaunchPlan> plan_for(const Options& options) {
  // Used at the next start only; but what check refuses, a reload does.
  HOLDFAST_TRY(check_control_group(options.control_group));
  HOLDFAST_ASSIGN(LaunchPlan plan, make_launch_plan(options.command, options.cwd));
  HOLDFAST_ASSIGN(const auto account, find_account(options.user));
  HOLDFAST_ASSIGN(plan.rights, resolve_rights(options, account));
  HOLDFAST_ASSIGN(plan.environment, generation_environment(options, account, plan.cwd));
  return plan;
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
