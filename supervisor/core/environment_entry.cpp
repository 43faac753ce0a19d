#include "supervisor/core/environment_entry.hpp"

#include <algorithm>
#include <array>
#include <string_view>

namespace holdfast::supervisor {

Result<void> check_variable_name(const std::string& name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  const auto allowed = [&](char c) { return letter(c) || (c >= '0' && c <= '9'); };
  if (name.empty() || !letter(name.front()) || !std::ranges::all_of(name, allowed)) {
    return Error{"'" + name + "' is no name of a variable"};
  }
  constexpr std::array<std::string_view, 5> kOurs{"HOLDFAST_", "LISTEN_", "NOTIFY_SOCKET",
                                                  "WATCHDOG_", "PWD"};
  for (const std::string_view ours : kOurs) {
    const bool prefix = ours.ends_with('_');
    if (prefix ? name.starts_with(ours) : name == ours)
      return Error{name + " is set by holdfast itself"};
  }
  return {};
}

Result<EnvironmentEntry> parse_environment_entry(const std::string& text) {
  const std::size_t equals = text.find('=');
  EnvironmentEntry entry;
  entry.name = text.substr(0, equals);
  HOLDFAST_TRY(check_variable_name(entry.name));
  if (equals == std::string::npos) {
    entry.source = EnvironmentEntry::Source::Inherited;
  } else {
    entry.value = text.substr(equals + 1);
  }
  return entry;
}

}  // namespace holdfast::supervisor
