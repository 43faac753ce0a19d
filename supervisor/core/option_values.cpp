#include "supervisor/core/option_values.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>

#include "supervisor/core/nearest.hpp"
#include "supervisor/core/option_table.hpp"

namespace holdfast::supervisor {
namespace {

constexpr std::string_view kPrefix = "HOLDFAST_";

// Kubernetes and Docker tell a container about a service that is named holdfast by these.
bool means_something_else(std::string_view variable) {
  constexpr std::array<std::string_view, 2> kNames{"HOLDFAST_CHANNEL_FD", "HOLDFAST_PORT"};
  constexpr std::array<std::string_view, 3> kPrefixes{"HOLDFAST_TEST_", "HOLDFAST_SERVICE_",
                                                      "HOLDFAST_PORT_"};
  const auto begins = [&](std::string_view prefix) { return variable.starts_with(prefix); };
  return std::ranges::find(kNames, variable) != kNames.end() ||
         std::ranges::any_of(kPrefixes, begins);
}

std::vector<std::string> all_variables() {
  std::vector<std::string> names;
  for (const OptionRow& row : option_table()) {
    if (row.where != OptionRow::Where::OnlyInFile) names.push_back(variable_of(row));
  }
  return names;
}

// Addresses, paths and variables hold no white space, or can do without.
std::vector<std::string> words_of(const std::string& text) {
  std::vector<std::string> words;
  constexpr std::string_view kSpace = " \t\n";
  for (std::size_t begin = text.find_first_not_of(kSpace); begin != std::string::npos;) {
    const std::size_t end = std::min(text.find_first_of(kSpace, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(kSpace, end);
  }
  return words;
}

bool repeatable(const OptionRow& row) {
  return row.kind == OptionRow::Kind::List || row.kind == OptionRow::Kind::Map;
}

void set_variable(std::vector<EnvironmentEntry>& environment, const EnvironmentEntry& entry) {
  std::erase_if(environment, [&](const EnvironmentEntry& old) { return old.name == entry.name; });
  environment.push_back(entry);
}

std::vector<std::string> texts_of(const OptionRow& row, const std::vector<OptionValues>& sources) {
  std::vector<std::string> texts;
  for (const OptionValues& source : sources) {
    std::vector<std::string> here;
    for (const OptionValue& value : source) {
      if (value.row == &row) here.push_back(value.text);
    }
    if (!here.empty()) texts = std::move(here);
  }
  return texts;
}

// Port 0 is another port each time.
std::string bound_address(const ListenAddress& address) {
  const auto* tcp = std::get_if<TcpAddress>(&address);
  return tcp != nullptr && tcp->port == 0 ? std::string() : to_string(address);
}

Result<void> check_listeners(const Options& options) {
  std::vector<std::string> names;
  std::vector<std::string> addresses;
  const auto had = [](std::vector<std::string>& before, const std::string& text) {
    if (text.empty()) return false;
    if (std::ranges::find(before, text) != before.end()) return true;
    before.push_back(text);
    return false;
  };
  for (const ListenerSpec& spec : options.listeners) {
    if (had(names, spec.name)) return Error{"two listeners have the name " + spec.name};
    if (had(addresses, bound_address(spec.address)))
      return Error{"two listeners have the address " + to_string(spec.address)};
  }
  if (options.metrics && had(addresses, bound_address(options.metrics->address)))
    return Error{"--metrics has the address of a listener, " + to_string(options.metrics->address)};
  return {};
}

// A worker with the library says itself when it is ready, and is asked over its channel.
Result<void> check_foreign(const ForeignOptions& foreign) {
  if (foreign.protocol != WorkerProtocol::Native) return {};
  if (foreign.readiness && *foreign.readiness != default_readiness(WorkerProtocol::Native))
    return Error{"--readiness needs a --protocol other than native"};
  if (!foreign.probe.empty()) return Error{"--probe needs a --protocol other than native"};
  return {};
}

}  // namespace

Result<OptionValues> values_of_environment(
    const std::vector<std::pair<std::string, std::string>>& environment) {
  OptionValues values;
  for (const auto& [name, text] : environment) {
    if (!name.starts_with(kPrefix) || means_something_else(name)) continue;
    const std::string where = "use " + name;
    const OptionRow* row = find_by_variable(name);
    if (row == nullptr) {
      return plain_error(where, "there is no such variable" + did_you_mean(name, all_variables()));
    }
    Options scratch;
    for (const std::string& one : repeatable(*row) ? words_of(text) : std::vector{text}) {
      if (auto good = row->set(scratch, one); !good)
        return plain_error(where, good.error().message);
      values.push_back({row, one, where});
    }
  }
  return values;
}

Result<Options> merge_options(const std::vector<OptionValues>& sources) {
  std::map<const OptionRow*, const OptionValues*> strongest;
  for (const OptionValues& source : sources) {
    for (const OptionValue& value : source) strongest[value.row] = &source;
  }
  Options options;
  for (const OptionValues& source : sources) {
    for (const OptionValue& value : source) {
      // A weaker value that is wrong is an error too: it would strike when the stronger one goes.
      Options scratch;
      const bool counts =
          strongest[value.row] == &source || value.row->kind == OptionRow::Kind::Map;
      if (value.entry) {
        options.environment.push_back(*value.entry);
      } else if (auto set = value.row->set(counts ? options : scratch, value.text); !set) {
        return plain_error(value.where, set.error().message);
      }
    }
  }
  std::vector<EnvironmentEntry> variables;
  for (const EnvironmentEntry& entry : options.environment) set_variable(variables, entry);
  options.environment = std::move(variables);
  return options;
}

Result<void> check_options(const Options& options) {
  if (options.listeners.empty()) return Error{"--listen is required"};
  HOLDFAST_TRY(check_listeners(options));
  HOLDFAST_TRY(check_foreign(options.foreign));
  const FleetPolicy& fleet = options.fleet;
  if (fleet.stop_timeout_max > Millis{0} && fleet.stop_timeout_max < fleet.stop_timeout)
    return Error{"--stop-timeout-max is below --stop-timeout"};
  if (options.user.empty() && (!options.group.empty() || !options.groups.empty()))
    return Error{"--group and --groups need --user"};
  if (options.command.empty()) return Error{"expected -- COMMAND [ARG...]"};
  return {};
}

std::vector<std::string> needs_restart(const std::vector<OptionValues>& now,
                                       const std::vector<OptionValues>& next) {
  std::vector<std::string> names;
  for (const OptionRow& row : option_table()) {
    if (row.change == OptionRow::Change::AtReload) continue;
    if (texts_of(row, now) != texts_of(row, next)) names.push_back(key_of(row));
  }
  return names;
}

}  // namespace holdfast::supervisor
