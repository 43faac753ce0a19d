#include "supervisor/io/option_loader.hpp"

#include <algorithm>
#include <sched.h>
#include <string_view>
#include <unistd.h>

namespace holdfast::supervisor {
namespace {

std::size_t usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
}

std::vector<std::pair<std::string, std::string>> own_environment() {
  std::vector<std::pair<std::string, std::string>> variables;
  for (char** entry = ::environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos) continue;
    variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return variables;
}

}  // namespace

Result<OptionSources> find_option_sources(const RunArguments& arguments) {
  OptionSources sources;
  HOLDFAST_ASSIGN(sources.environment, values_of_environment(own_environment()));
  sources.flags = arguments.flags;
  sources.command = arguments.command;
  HOLDFAST_ASSIGN(const Options typed, merge_options({sources.environment, sources.flags}));
  sources.config = typed.config;
  return sources;
}

Result<LoadedOptions> load_options(const OptionSources& sources) {
  LoadedOptions loaded;
  loaded.values = {sources.environment, sources.flags};
  HOLDFAST_ASSIGN(loaded.options, merge_options(loaded.values));
  Options& options = loaded.options;
  if (!sources.command.empty()) options.command = sources.command;
  if (options.fleet.workers == 0) options.fleet.workers = usable_cpus();
  if (auto complete = check_options(options); !complete) {
    return plain_error(sources.config.empty() ? "parse the command line" : "use " + sources.config,
                       complete.error().message);
  }
  return loaded;
}

}  // namespace holdfast::supervisor
