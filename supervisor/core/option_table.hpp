// The one table of the options of `holdfast run`. Add a row here and a line in docs/options.md;
// flag, environment variable, file key, help and completion follow from the row.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "supervisor/core/option_row.hpp"

namespace holdfast::supervisor {

const std::vector<OptionRow>& option_table();

std::string flag_of(const OptionRow& row);      // "--ready-timeout"
std::string variable_of(const OptionRow& row);  // "HOLDFAST_READY_TIMEOUT"
std::string key_of(const OptionRow& row);       // "ready_timeout"

// None: nullptr.
const OptionRow* find_by_variable(std::string_view variable);
const OptionRow* find_by_key(std::string_view key);

}  // namespace holdfast::supervisor
