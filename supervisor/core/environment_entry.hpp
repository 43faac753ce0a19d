// One variable of a generation's environment, as the operator asked for it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "shared/core/result.hpp"

namespace holdfast::supervisor {

struct EnvironmentEntry {
  enum class Source {
    Text,       // `value`
    File,       // what is in the file `value`, without the newline at its end
    Inherited,  // the supervisor's own
    Removed
  };
  std::string name;
  Source source = Source::Text;
  std::string value = {};
  bool operator==(const EnvironmentEntry&) const = default;
};

// A name is a letter or _ and then letters, digits and _. HOLDFAST_* and what systemd tells its
// services by are refused: they would reach no worker, or mislead it.
Result<void> check_variable_name(const std::string& name);

// "NAME=VALUE", or "NAME" for Inherited.
Result<EnvironmentEntry> parse_environment_entry(const std::string& text);

// Lines NAME=VALUE, the value as it stands; empty lines and those that begin with # are skipped.
// `file` is what errors call it.
Result<std::vector<EnvironmentEntry>> parse_environment_file(const std::string& file,
                                                             std::string_view text);

}  // namespace holdfast::supervisor
