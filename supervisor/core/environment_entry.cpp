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

Result<std::vector<EnvironmentEntry>> parse_environment_file(const std::string& file,
                                                             std::string_view text) {
  std::vector<EnvironmentEntry> entries;
  for (std::size_t line = 1; !text.empty(); ++line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view entry = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (entry.ends_with('\r')) entry.remove_suffix(1);
    if (entry.find_first_not_of(" \t") == entry.npos || entry.front() == '#') continue;
    const std::string where = "read " + file + ":" + std::to_string(line);
    const std::size_t equals = entry.find('=');
    if (equals == entry.npos || entry.find('\0') != entry.npos)
      return plain_error(where, "expected NAME=VALUE");
    EnvironmentEntry made;
    made.name = entry.substr(0, equals);
    made.value = entry.substr(equals + 1);
    if (!check_variable_name(made.name)) return plain_error(where, "that is no name of a variable");
    entries.push_back(std::move(made));
  }
  return entries;
}

}  // namespace holdfast::supervisor
