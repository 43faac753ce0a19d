// The options that a config file gives: JSON with comments, its keys those of the option table.
#pragma once

#include <string>
#include <string_view>

#include "shared/core/result.hpp"
#include "supervisor/core/option_values.hpp"

namespace holdfast::supervisor {

// Every value was tried: what this returns merges without an error. Fails with
// `cannot read FILE:12:5: unknown key "redy_timeout"; did you mean "ready_timeout"?`.
Result<OptionValues> values_of_config(const std::string& file, std::string_view text);

}  // namespace holdfast::supervisor
